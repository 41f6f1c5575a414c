"""Denoise pairs by the network alone (strength 1) and measure PSNR, SSIM and seconds, on noisy, JPEG and clean input.

    python scripts/evaluate_pairs.py datasets/sidd/noisy datasets/sidd/clean --list datasets/sidd/report.txt
    python scripts/evaluate_pairs.py NOISY CLEAN --model WEIGHTS --refine --jpeg 80 --clean-too

PSNR and SSIM are BasicSR's, on RGB of 8 bit, the mean over the images; see docs/reference/metrics.md.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import amsnet_basicsr  # noqa: F401 (before BasicSR)

# isort: split
import cv2
import numpy as np
from basicsr.metrics import calculate_psnr, calculate_ssim
from tqdm import tqdm

from amsnet_basicsr import Denoiser
from amsnet_basicsr.denoise.load_model import ModelError


def measure(pairs: list[tuple[np.ndarray, np.ndarray]], denoise: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    """Denoise and compare."""
    seconds, figures = 0.0, []
    for image, clean in tqdm(pairs, leave=False, disable=None):
        start = time.perf_counter()
        denoised = denoise(image)
        seconds += time.perf_counter() - start
        # BasicSR's metrics take BGR, which makes no difference to a mean over channels.
        figures.append([metric(denoised, clean, crop_border=0) for metric in (calculate_psnr, calculate_ssim)])
    pixels = sum(image.shape[0] * image.shape[1] for image, _ in pairs)
    return [*np.mean(figures, axis=0), seconds / pixels * 1e6]


def image_names(listed: Path | None, folder: Path) -> list[str]:
    """Read the file names at the beginnings of a list's lines, or list the `*.png` of a folder."""
    if listed is None:
        return sorted(path.name for path in folder.glob('*.png'))
    return [line.split()[0] for line in listed.read_text(encoding='utf-8').splitlines() if line.strip()]


def _read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    if image is None:
        sys.exit(f'{path}: there is no such image, or it cannot be read')
    return np.ascontiguousarray(image[..., ::-1])


def _as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    content = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('noisy', type=Path, help='folder of noisy images')
    parser.add_argument('clean', type=Path, help='folder of clean ones with the same names')
    parser.add_argument('--list', type=Path, help='text file with the names to take, one a line; default: all *.png')
    parser.add_argument('--model', nargs='+', default=[None], help='weights; default: those that are shipped')
    parser.add_argument('--opt', help='options file that tells network and scheme')
    parser.add_argument('--refine', action='store_true', help='R3 for models with masks')
    parser.add_argument(
        '--jpeg', type=int, nargs='*', default=[], metavar='QUALITY', help='also as JPEG of these qualities'
    )
    parser.add_argument('--clean-too', action='store_true', help='also denoise the clean images, to see what is lost')
    args = parser.parse_args()
    names = image_names(args.list, args.clean)
    if not names:
        sys.exit(f'{args.list or args.clean}: names no images')
    clean = [_read(args.clean / name) for name in names]
    noisy = [_read(args.noisy / name) for name in names]
    inputs = {'noisy': noisy}
    inputs |= {f'JPEG {quality}': [_as_jpeg(image, quality) for image in noisy] for quality in args.jpeg}
    inputs |= {'clean': clean} if args.clean_too else {}
    print(f'| {len(names)} images | input | PSNR dB | SSIM | s/MP |\n|---|---|---|---|---|')
    for kind, images in inputs.items():
        if images is clean:
            continue
        psnr, ssim, _ = measure(list(zip(images, clean, strict=True)), lambda image: image)
        print(f'| input | {kind} | {psnr:.2f} | {ssim:.4f} | |', flush=True)
    for model in args.model:
        try:
            denoiser = Denoiser.from_pretrained(model, opt=args.opt, refine=True if args.refine else None)
        except (ModelError, ValueError) as error:
            sys.exit(str(error))
        denoiser(noisy[0])
        for kind, images in inputs.items():
            psnr, ssim, seconds = measure(list(zip(images, clean, strict=True)), denoiser)
            name = f'{Path(denoiser.source).name}{", R3" if args.refine else ""}'
            print(f'| {name} | {kind} | {psnr:.2f} | {ssim:.4f} | {seconds:.1f} |', flush=True)


if __name__ == '__main__':
    main()
