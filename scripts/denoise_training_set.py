"""Denoise noisy training images as well as a teacher can: the targets that a student learns from.

    python scripts/denoise_training_set.py datasets/sidd/noisy -o datasets/sidd/teacher \
        --list datasets/sidd/train.txt --opt options/test_amsnet_sidd_small.yml \
        --model experiments/finetune_amsnet_sidd_small/models/net_g_latest.pth

Each image is denoised in several symmetries of the square, each with masks of its own, and with every model given;
the mean is written as an 8 bit PNG of the same name. The same command resumes a run that was stopped.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from evaluation.pairs import image_names
from tqdm import tqdm

from amsnet_basicsr import Denoiser
from amsnet_basicsr.denoise.auto_strength.brightness import match_brightness
from amsnet_basicsr.denoise.denoiser import DenoiseError
from amsnet_basicsr.denoise.self_ensemble import self_ensemble
from amsnet_basicsr.images import ImageData, ImageError, read_image, write_image
from amsnet_basicsr.options.user_parts import import_parts


def main() -> None:
    """Denoise what isn't denoised yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('noisy', type=Path, help='folder of images')
    parser.add_argument('-o', '--output', type=Path, required=True, help='folder for the results')
    parser.add_argument('--list', type=Path, help='text file with the names to take, one a line; default: all images')
    parser.add_argument('--model', type=Path, nargs='+', required=True, help='weights; of several the mean is taken')
    parser.add_argument('--opt', type=Path, help='options file that tells network and scheme')
    parser.add_argument('--stride', type=int, help='stride of the mask scheme; default: what the model says, else 2')
    parser.add_argument('--branches', type=int, help='branches of the scheme; default: what the model says, else 2')
    parser.add_argument('--import', dest='parts', action='append', default=[], help='module with a network of your own')
    parser.add_argument('--symmetries', type=int, default=8, choices=range(1, 9), help='1 to 8; default 8')
    parser.add_argument('--match-brightness', action='store_true', help='as bright as the noisy ones in linear light')
    parser.add_argument('--device', help='cpu, cuda, …; default: a GPU where there is one')
    args = parser.parse_args()
    if problems := import_parts(args.parts):
        sys.exit(problems[0])
    try:
        names = image_names(args.list, args.noisy)
        missing = [name for name in names if not (args.noisy / name).is_file()]
        if missing or not names:
            sys.exit(f'{args.noisy}: {f"there is no {missing[0]}" if missing else "no images there"}')
        if args.output.resolve() == args.noisy.resolve():
            sys.exit(f'{args.output}: this is the folder of the noisy images; give another')
        denoisers = [
            Denoiser.from_pretrained(
                model,
                opt=args.opt,
                refine=False,
                stride=args.stride,
                branches=args.branches,
                seed=seed,
                device=args.device,
            )
            for model in args.model
            for seed in range(args.symmetries)
        ]
        targets = {name: (args.output / name).with_suffix('.png') for name in names}
        if len(set(targets.values())) < len(targets):
            sys.exit(f'{args.noisy}: images that differ by their suffix alone would have one result; rename them')
        args.output.mkdir(parents=True, exist_ok=True)
        todo = [name for name in names if not targets[name].exists()]
        print(f'{len(names)} images, {len(names) - len(todo)} of them done before')
        for name in tqdm(todo, unit='image', disable=None):
            image = read_image(args.noisy / name)
            noisy = image.pixels.astype(np.float32) / np.iinfo(image.pixels.dtype).max
            groups = [denoisers[i : i + args.symmetries] for i in range(0, len(denoisers), args.symmetries)]
            try:
                mean = np.mean([self_ensemble(group, noisy) for group in groups], axis=0)
            except DenoiseError as error:
                sys.exit(f'{args.noisy / name}: {error}')
            if args.match_brightness:
                mean = match_brightness(noisy.astype(np.float64), mean.astype(np.float64))
            write_image(targets[name], ImageData((255 * mean).round().astype(np.uint8)))
    except (DenoiseError, ImageError, OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
