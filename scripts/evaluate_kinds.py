"""How a model does on many kinds of images, beside non-local means and wavelets at their best setting for each kind.

    python scripts/evaluate_kinds.py --sidd datasets/sidd --cameras datasets/cameras -o results/kinds

The best setting of a rival is the one with the highest mean PSNR against the clean images of a kind, so the rivals are
flattered. PSNR of an image that comes out untouched counts as 60 dB. `worst` is the largest loss of a single image.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from evaluation.kinds import Case, made_noise, real_pairs, sharp_images
from evaluation.pairs import calculate_psnr
from evaluation.rivals import RIVALS
from page import table
from tqdm import tqdm

from amsnet_basicsr import Denoiser
from amsnet_basicsr.images import ImageData, write_image
from amsnet_basicsr.models.validation.images import image_strip

UNTOUCHED = 60.0


def psnr(image: np.ndarray, clean: np.ndarray) -> float:
    """PSNR in dB of 8-bit images, at most `UNTOUCHED`."""
    return min(UNTOUCHED, calculate_psnr(image, clean, crop_border=0))


def evaluate(cases: list[Case], denoiser: Denoiser, strength: float | str, rivals: bool, output: Path | None) -> str:
    """Denoise all cases; returns a Markdown table, and writes noisy | ours | clean for each if asked."""
    ours: dict[str, list[float]] = defaultdict(list)
    noisy: dict[str, list[float]] = defaultdict(list)
    settings: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for case in tqdm(cases, unit='image', disable=None):
        result = denoiser(case.noisy, strength)
        ours[case.kind].append(psnr(result, case.clean))
        noisy[case.kind].append(psnr(case.noisy, case.clean))
        if rivals and case.kind != 'clean':
            for name, methods in RIVALS.items():
                settings[name, case.kind].append([psnr(method(case.noisy), case.clean) for method in methods])
        if output is not None:
            path = output / f'{case.kind}_{Path(case.name).stem}.png'.replace(' ', '_')
            write_image(path, ImageData(image_strip([case.noisy, result, case.clean])), overwrite=True)
    rows = []
    for kind, values in ours.items():
        figures = np.mean(noisy[kind]), np.mean(values)
        worst = min(np.subtract(values, noisy[kind]))
        best = [
            f'{np.mean(settings[name, kind], axis=0).max():.2f}' if (name, kind) in settings else '' for name in RIVALS
        ]
        rows.append([kind, len(values), *(f'{figure:.2f}' for figure in figures), f'{worst:+.2f}', *best])
    return table(['kind', 'images', 'noisy', 'ours', 'worst', *RIVALS], rows)


def main() -> None:
    """Collect the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sidd', type=Path, help='folder with noisy/, clean/, progress.txt and report.txt')
    parser.add_argument('--cameras', type=Path, help='folder with noisy/ and clean/ of other cameras')
    parser.add_argument('--images', type=Path, help='folder of clean sharp images; default: those of the libraries')
    parser.add_argument('--no-made', action='store_true', help='leave out the kinds with made noise')
    parser.add_argument('--no-rivals', action='store_true', help='leave out non-local means and wavelets')
    parser.add_argument('--most', type=int, default=40, help='most pairs of a camera: 40')
    parser.add_argument('--model', help='weights; default: the shipped model')
    parser.add_argument('--strength', default='auto', help="'auto', or 0 to 1: auto")
    parser.add_argument('-o', '--output', type=Path, help='folder for noisy | ours | clean of each image')
    args = parser.parse_args()
    cases: list[Case] = []
    try:
        if args.sidd:
            for name in ('progress', 'report'):
                listing = args.sidd / f'{name}.txt'
                cases += real_pairs(f'SIDD {name}', args.sidd / 'noisy', args.sidd / 'clean', listing, args.most)
        if args.cameras:
            cases += real_pairs('other cameras', args.cameras / 'noisy', args.cameras / 'clean', None, args.most)
        if not args.no_made:
            cases += made_noise(sharp_images(args.images), seed=0)
        if args.output:
            args.output.mkdir(parents=True, exist_ok=True)
        strength = args.strength if args.strength == 'auto' else float(args.strength)
        denoiser = Denoiser.from_pretrained(args.model)
        print(evaluate(cases, denoiser, strength, not args.no_rivals, args.output))
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
