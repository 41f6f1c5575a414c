"""A folder of your own noisy images: patches in an LMDB to train on, and the stride that suits their noise.

    python scripts/prepare_photos.py ~/Images/noisy -o datasets/my_photos.lmdb

See docs/data/photos.md.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from amsnet_basicsr.prepare.build_lmdb import Choices
from amsnet_basicsr.prepare.errors import PrepareError
from amsnet_basicsr.prepare.noise_correlation import MAX_LAG
from amsnet_basicsr.prepare.photo_rules import ImageRules
from amsnet_basicsr.prepare.photos import (
    REPORT,
    ImagesReport,
    NoiseReport,
    count_reasons,
    estimate_noise,
    find_images,
    prepare_photos,
)
from amsnet_basicsr.prepare.whole_output import human_bytes

OPTIONS = 'options/train_amsnet_small.yml'
_CROP = 160
_USUAL_STRIDE = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare a folder, or look at its noise.

    Args:
        argv: Arguments; default: those of the command line.

    Returns:
        Exit status.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.output is None and not args.estimate_only:
        parser.error('-o is missing: where the LMDB goes, e.g. -o datasets/my_photos.lmdb')
    if args.output is not None and args.estimate_only:
        parser.error('--estimate-only makes nothing: leave -o out')
    if args.workers is not None and args.workers < 1:
        parser.error(f'--workers must be at least 1, got {args.workers}')
    try:
        if args.estimate_only:
            found = find_images(args.folder)
            noise = estimate_noise(found, found.names, ImageRules(size=32, keep_grey=args.keep_grey), args.workers)
            print('\n'.join(describe_noise(noise)))
        else:
            rules = ImageRules(args.size, args.step, args.keep_grey, args.drop_flat, args.drop_duplicates)
            choices = Choices(args.workers, args.overwrite, args.restart)
            report = prepare_photos(args.folder, args.output, rules, choices)
            print('\n'.join(describe(report, args.output)))
    except PrepareError as error:
        print(f'prepare_photos.py: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('prepare_photos.py: stopped; the same command goes on', file=sys.stderr)
        return 130
    return 0


def describe(report: ImagesReport, target: Path) -> Iterator[str]:
    """Say what was made, what was left out, and what to do next.

    Args:
        report: The report.
        target: The LMDB.

    Yields:
        Lines.
    """
    size = report.rules['size']
    yield (
        f'{target}: {report.patches} patches of {size}×{size} from {report.taken} of {report.found} images, '
        f'{human_bytes(report.stored)}'
    )
    if report.left_out:
        yield f'Left out: {count_reasons(report.left_out)}; {target / REPORT} names them'
    if report.flat_patches:
        yield f'Flat patches left out: {report.flat_patches}'
    if report.others:
        yield f'Passed over, as no images that are read here: {count_reasons(report.others)}'
    yield from describe_noise(report.noise)
    if report.jpeg:
        yield (
            f'{report.jpeg} of {report.taken} are JPEG: compression in blocks of 8×8 pixels correlates noise beyond '
            'what any stride undoes; prefer TIFF, PNG, or JPEG of the best quality'
        )
    yield from next_steps(report, target)


def describe_noise(noise: NoiseReport) -> Iterator[str]:
    """Say what the noise is like.

    Args:
        noise: The estimate.

    Yields:
        Lines.
    """
    if noise.stride is None:
        yield f'Noise: no estimate, {noise.why_not}; {_USUAL_STRIDE} is the usual train stride'
        return
    sigma = '/'.join(f'{value:.1f}' for value in noise.sigma)
    yield f'Noise in {noise.patches} flat patches of {noise.photos} images: sigma {sigma} of 255 (red/green/blue)'
    yield 'Correlation by distance in pixels' + ''.join(f'{lag:>7}' for lag in range(1, MAX_LAG + 1))
    for name in ('horizontal', 'vertical', 'mean'):
        yield f'{name:>33}' + ''.join(f'{value:>7.3f}' for value in getattr(noise, name)[1:])
    if noise.doubtful:
        yield 'Even the farthest are correlated: there may be too little flat in the images, and no noise in what is'
    yield f'Recommended train stride: {noise.stride}'


def next_steps(report: ImagesReport, target: Path) -> Iterator[str]:
    """Say what to type next.

    Args:
        report: The report.
        target: The LMDB.

    Yields:
        Lines.
    """
    stride = report.noise.stride or _USUAL_STRIDE
    crop = min(_CROP, report.rules['size']) // stride * stride
    yield f'Next: set in {OPTIONS}'
    yield f'  datasets.train.dataroot_lq: {target}'
    yield f'  datasets.train.crop_size: {crop}'
    yield f'  datasets.val.dataroot_lq: a folder with a few other noisy images, at least {stride * 2} pixels wide'
    yield f'  scheme.train_stride: {stride}'
    yield f'  scheme.test_stride: {2 if stride > 2 else 1}'
    yield 'and then'
    yield f'  python basicsr/train.py -opt {OPTIONS}'


def build_parser() -> argparse.ArgumentParser:
    """Describe the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path, help='folder of noisy images, searched with its subfolders')
    parser.add_argument('-o', '--output', type=Path, help='LMDB to write; its name ends in .lmdb')
    parser.add_argument('--size', type=int, default=256, help='side of a patch in pixels; default: 256')
    parser.add_argument('--step', type=int, default=256, help='distance between patches in pixels; default: 256')
    parser.add_argument('--keep-grey', action='store_true', help='take grey images too, as three equal channels')
    parser.add_argument('--drop-duplicates', action='store_true', help='leave out near-duplicates of earlier ones')
    parser.add_argument('--drop-flat', action='store_true', help='leave out patches that are clipped or without noise')
    parser.add_argument('--estimate-only', action='store_true', help='only print what the noise is like')
    parser.add_argument('--workers', type=int, help='threads; default: one per core')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing output, at the end')
    parser.add_argument('--restart', action='store_true', help='throw away what an unfinished run left')
    return parser


if __name__ == '__main__':
    sys.exit(main())
