"""A folder of your own noisy images: patches in an LMDB to train on, and the stride that suits their noise.

    python scripts/prepare_photos.py ~/Pictures/noisy -o datasets/my_photos.lmdb

See docs/data/photos.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from amsnet_basicsr.prepare.build_records import Choices
from amsnet_basicsr.prepare.images import PatchRules, find_images, prepare_images
from amsnet_basicsr.prepare.noise_report import estimate_noise
from amsnet_basicsr.prepare.outputs import positive, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare a folder, or look at its noise; returns the exit status."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.output is None and not args.estimate_only:
        parser.error('-o is missing: where the LMDB goes, e.g. -o datasets/my_photos.lmdb')
    if args.output is not None and args.estimate_only:
        parser.error('--estimate-only makes nothing: leave -o out')
    return run_command('prepare_photos.py', args.output, lambda: prepare(args))


def prepare(args: argparse.Namespace) -> list[str]:
    """Cut patches, or only estimate the noise."""
    if args.estimate_only:
        paths = sorted(one.path for one in find_images(args.folder).found)
        return list(estimate_noise(paths, args.keep_grey, args.workers).lines())
    rules = PatchRules(args.size, args.step, args.keep_grey, args.drop_flat, args.drop_duplicates)
    return prepare_images(args.folder, args.output, rules, Choices(args.workers, args.overwrite, args.restart))


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
    parser.add_argument('--workers', type=positive, help='threads; default: one per core')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing output, at the end')
    parser.add_argument('--restart', action='store_true', help='remove what an unfinished run left')
    return parser


if __name__ == '__main__':
    sys.exit(main())
