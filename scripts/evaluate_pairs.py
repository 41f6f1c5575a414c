"""Denoise pairs and measure PSNR, SSIM and seconds, on noisy, JPEG and clean input.

    python scripts/evaluate_pairs.py datasets/sidd/noisy datasets/sidd/clean --list datasets/sidd/report.txt
    python scripts/evaluate_pairs.py NOISY CLEAN --strength auto
    python scripts/evaluate_pairs.py NOISY CLEAN --model WEIGHTS --refine --jpeg 80 --clean-too

PSNR and SSIM are BasicSR's, on RGB of 8 bit, the mean over the images; see docs/reference/metrics.md.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from evaluation.pairs import image_names, measure, read_rgb

from amsnet_basicsr import Denoiser
from amsnet_basicsr.denoise.load_model import ModelError
from amsnet_basicsr.simulation.exposure import jpeg_and_back


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('noisy', type=Path, help='folder of noisy images')
    parser.add_argument('clean', type=Path, help='folder of clean ones with the same names')
    parser.add_argument('--list', type=Path, help='text file with the names to take, one a line; default: all images')
    parser.add_argument('--model', nargs='+', default=[None], help='weights; default: those that are shipped')
    parser.add_argument('--opt', help='options file that tells network and scheme')
    parser.add_argument('--refine', action='store_true', help='R3 for models with masks')
    parser.add_argument(
        '--strength', default='1', help="'auto', as amsnet-denoise does, or 0 to 1: 1, the network alone"
    )
    parser.add_argument('--jpeg', type=int, nargs='*', default=[], metavar='QUALITY', help='also as JPEG of these')
    parser.add_argument('--clean-too', action='store_true', help='also denoise the clean images, to see what is lost')
    args = parser.parse_args()
    try:
        names = image_names(args.list, args.clean)
        if not names:
            raise ValueError(f'{args.list or args.clean}: names no images')
        clean, noisy = ([read_rgb(folder / name) for name in names] for folder in (args.clean, args.noisy))
        inputs = {'noisy': noisy}
        inputs |= {f'JPEG {quality}': [jpeg_and_back(image, quality) for image in noisy] for quality in args.jpeg}
        strength = args.strength if args.strength == 'auto' else float(args.strength)
        print(f'| {len(names)} images | input | PSNR dB | SSIM | s/MP |\n|---|---|---|---|---|')
        for kind, images in inputs.items():
            psnr, ssim, _ = measure(images, clean, np.copy)
            print(f'| input | {kind} | {psnr:.2f} | {ssim:.4f} | |', flush=True)
        inputs |= {'clean': clean} if args.clean_too else {}
        for model in args.model:
            denoiser = Denoiser.from_pretrained(model, opt=args.opt, refine=True if args.refine else None)
            denoiser(noisy[0])
            for kind, images in inputs.items():
                psnr, ssim, seconds = measure(images, clean, partial(denoiser, strength=strength))
                name = f'{Path(denoiser.source).name}{", R3" if args.refine else ""}'
                print(f'| {name} | {kind} | {psnr:.2f} | {ssim:.4f} | {seconds:.1f} |', flush=True)
    except (ModelError, ValueError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
