"""Images with simulated noise, cleaned by models side by side: a strip noisy | models … | clean, and a table.

    python scripts/compare_models.py -o strip.jpg --scenes astronaut chelsea coffee
    python scripts/compare_models.py -o mine.png --iso 1600 --models my_model.safetensors other.safetensors

The scenes are the images that ship with scikit-image, seen through a simulated phone; `--dataroot` takes a folder
of your own clean images instead. Without `--models`: the teacher that ships, with R3, and the student that it taught,
which is what `amsnet-denoise` uses. The crops are where the clean image has the most detail.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from evaluation.pairs import Denoise, psnr_and_ssim
from page import table

from amsnet_basicsr import Denoiser
from amsnet_basicsr.data import CameraNoiseDataset
from amsnet_basicsr.denoise.denoiser import DenoiseError
from amsnet_basicsr.denoise.detail import most_detailed
from amsnet_basicsr.denoise.load_model import STUDENT, TEACHER, ModelError, shipped_weights
from amsnet_basicsr.images import ImageData, write_image
from amsnet_basicsr.models.validation.images import image_strip


class Scene(NamedTuple):
    """A scene's name, its noisy and its clean image, (H, W, 3), uint8 RGB."""

    name: str
    noisy: np.ndarray
    clean: np.ndarray


def shipped_models() -> list[tuple[str, Denoise]]:
    """Load the teacher, with R3, and the student."""
    return [
        ('teacher, R3', Denoiser.from_pretrained(shipped_weights(TEACHER), refine=True)),
        ('student', Denoiser.from_pretrained(shipped_weights(STUDENT))),
    ]


def given_models(paths: Sequence[str], refine: bool) -> list[tuple[str, Denoise]]:
    """Load weights."""
    models = []
    for path in paths:
        denoiser = Denoiser.from_pretrained(path)
        if refine and denoiser.scheme.type == 'amsnet':
            denoiser = Denoiser.from_pretrained(path, refine=True)
        alone = sum(Path(other).stem == Path(path).stem for other in paths) == 1
        models.append((Path(path).stem if alone else path, denoiser))
    return models


def read_scenes(opt: dict[str, Any], side: int) -> list[Scene]:
    """Take the scenes with the simulated camera."""
    dataset = CameraNoiseDataset({'name': 'scenes', 'phase': 'test', **opt})
    scenes = []
    for entry, item in zip(dataset.entries, dataset, strict=False):  # the dataset ends by its length, not by itself
        noisy, clean = (
            np.ascontiguousarray((item[key].numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0))
            for key in ('lq', 'gt')
        )
        if min(clean.shape[:2]) < side:
            raise ValueError(f'{entry.path} is smaller than the crops; give a --side of at most {min(clean.shape[:2])}')
        scenes.append(Scene(entry.name, noisy, clean))
    return scenes


def figure_cells(figures: Iterable[Sequence[float]]) -> list[str]:
    """Write PSNR and SSIM as cells of the table."""
    return [f'{psnr:.2f} / {f"{ssim:.4f}".replace("0.", ".", 1)}' for psnr, ssim in figures]


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-o', '--output', type=Path, required=True, help='image to write')
    parser.add_argument('--overwrite', action='store_true', help='replace it if it exists')
    parser.add_argument('--models', nargs='+', metavar='FILE', help='weights; default: teacher and student that ship')
    parser.add_argument('--refine', action='store_true', help='with --models: R3 for models with masks')
    parser.add_argument('--dataroot', help='folder of clean images; default: those of scikit-image')
    parser.add_argument('--scenes', nargs='+', metavar='NAME', help='which of them; default: all')
    parser.add_argument('--camera', default='phone', help='profile of the simulated camera; default: phone')
    parser.add_argument('--iso', type=float, default=3200, help='ISO number: 3200')
    parser.add_argument('--side', type=int, default=200, help='side of the crops in pixels: 200')
    args = parser.parse_args(argv)
    if args.output.exists() and not args.overwrite:
        parser.error(f'{args.output} exists already; choose another -o, or give --overwrite')
    if args.output.suffix.lower() not in ('.jpg', '.jpeg', '.png') or not args.output.parent.is_dir():
        parser.error(f'-o must be a .jpg or .png in a folder that exists, got {args.output}')
    if args.side < 16:
        parser.error(f'--side must be at least 16, got {args.side}')
    if args.refine and not args.models:
        parser.error('--refine is for --models')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Write the strip, print PSNR and SSIM of whole images."""
    args = parse_arguments(argv)
    opt = {'camera': args.camera, 'iso': args.iso, 'dataroot_gt': args.dataroot, 'scenes': args.scenes}
    try:
        scenes = read_scenes({key: value for key, value in opt.items() if value is not None}, args.side)
        models = given_models(args.models, args.refine) if args.models else shipped_models()
        strips, rows, all_figures = [], [], []
        for scene in scenes:
            images = [scene.noisy, *(denoise(scene.noisy) for _, denoise in models)]
            figures = [psnr_and_ssim(image, scene.clean) for image in images]
            all_figures.append(figures)
            rows.append([scene.name, *figure_cells(figures)])
            top, left = most_detailed(scene.clean.mean(axis=2), args.side, args.side)
            crops = [image[top : top + args.side, left : left + args.side] for image in (*images, scene.clean)]
            strips.append(image_strip(crops))
        rows.append(['mean', *figure_cells(np.mean(all_figures, axis=0))])
        print(table(['PSNR dB / SSIM', 'noisy', *(name for name, _ in models)], rows))
        line = np.full((4, strips[0].shape[1], 3), 255, np.uint8)
        image = np.concatenate([part for strip in strips for part in (line, strip)][1:])
        write_image(args.output, ImageData(image), quality=92, overwrite=args.overwrite)
    except (ModelError, DenoiseError, ValueError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
