"""Photographs with simulated noise, cleaned by models side by side: a strip noisy | models … | clean, and a table.

    python scripts/picture_strip.py -o docs/images/models.jpg
    python scripts/picture_strip.py -o strip.png --scenes astronaut coffee --iso 1600 --models my_model.safetensors

The scenes are the photographs that ship with scikit-image, seen through a simulated phone; `--dataroot` takes a folder
of your own clean pictures instead. Without `--models`: the teacher that ships, with R3, and the student that it taught,
which is what `amsnet-denoise` uses. The crops are where the clean picture has the most detail.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from measure_pairs import measure

from amsnet_basicsr import Denoiser
from amsnet_basicsr.data import CameraNoiseDataset
from amsnet_basicsr.denoise.models import STUDENT, TEACHER, ModelError, shipped_weights
from amsnet_basicsr.models.validation_images import picture_strip

Denoise = Callable[[np.ndarray], np.ndarray]


def shipped_models() -> dict[str, Denoise]:
    """Load the teacher, with R3, and the student."""
    return {
        'teacher, R3': Denoiser.from_pretrained(shipped_weights(TEACHER), refine=True),
        'student': Denoiser.from_pretrained(shipped_weights(STUDENT)),
    }


def read_scenes(opt: dict[str, object]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Take the scenes with the simulated camera.

    Args:
        opt: Options of `CameraNoiseDataset`.

    Returns:
        Noisy and clean picture by the scene's name, (H, W, 3), uint8 RGB.
    """
    pictures = {}
    for item in CameraNoiseDataset({'name': 'scenes', 'phase': 'test', **opt}):
        noisy, clean = (
            np.ascontiguousarray((item[key].numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0))
            for key in ('lq', 'gt')
        )
        pictures[Path(item['lq_path']).stem] = noisy, clean
    return pictures


def busiest_crop(picture: np.ndarray, side: int) -> tuple[slice, slice]:
    """Find the square with the most detail, so that the choice isn't ours.

    Args:
        picture: A clean picture, (H, W, 3), uint8.
        side: Side of the square in pixels.

    Returns:
        Rows and columns.
    """
    height, width = (min(side, length) for length in picture.shape[:2])
    grey = picture.mean(axis=2, dtype=np.float32)
    detail = cv2.GaussianBlur(np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 2)), (0, 0), side / 6)
    inside = detail[height // 2 : len(detail) - (height - 1) // 2, width // 2 : detail.shape[1] - (width - 1) // 2]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-o', '--output', type=Path, required=True, help='picture to write')
    parser.add_argument('--overwrite', action='store_true', help='replace it if it exists')
    parser.add_argument('--models', nargs='+', metavar='FILE', help='weights; default: teacher and student that ship')
    parser.add_argument('--refine', action='store_true', help='with --models: R3 for models with masks')
    parser.add_argument('--dataroot', help='folder of clean pictures; default: those of scikit-image')
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
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Write the strip, print PSNR and SSIM of whole pictures."""
    args = parse_arguments(argv)
    opt = {'camera': args.camera, 'iso': args.iso, 'dataroot_gt': args.dataroot, 'scenes': args.scenes}
    try:
        scenes = read_scenes({key: value for key, value in opt.items() if value is not None})
        models: dict[str, Denoise] = {'noisy': lambda picture: picture}
        if args.models:
            models |= {Path(path).stem: Denoiser.from_pretrained(path, refine=args.refine) for path in args.models}
        else:
            models |= shipped_models()
    except (ModelError, ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    print(f'| PSNR dB / SSIM | {" | ".join(models)} |\n|---{"|---" * len(models)}|')
    rows = []
    for name, (noisy, clean) in scenes.items():
        pictures = {model: denoise(noisy) for model, denoise in models.items()}
        figures = [measure([(picture, clean)], lambda picture: picture)[:2] for picture in pictures.values()]
        print(f'| {name} | ' + ' | '.join(f'{psnr:.2f} / {f"{ssim:.4f}"[1:]}' for psnr, ssim in figures) + ' |')
        where = busiest_crop(clean, args.side)
        rows.append(picture_strip([picture[where] for picture in (*pictures.values(), clean)]))
    width = min(row.shape[1] for row in rows)
    line = np.full((4, width, 3), 255, np.uint8)
    picture = np.concatenate([part for row in rows for part in (line, row[:, :width])][1:])
    cv2.imwrite(str(args.output), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])


if __name__ == '__main__':
    main()
