"""Take a folder of clean images with a simulated camera: noisy and clean PNG images, and what was set for each.

    python scripts/simulate_noise.py datasets/clean -o datasets/simulated --camera phone --iso 800 6400

Writes OUT/noisy and OUT/clean, with the same names, and OUT/simulation.json. Images of subfolders get the folder's
name before theirs. An image's noise depends on its name and the seed alone.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amsnet_basicsr.prepare.outputs import positive, run_command
from amsnet_basicsr.prepare.simulate import simulate
from amsnet_basicsr.simulation.demosaic import BAYER_PATTERNS
from amsnet_basicsr.simulation.profiles import PROFILES


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate; returns the exit status."""
    args = build_parser().parse_args(argv)
    settings: dict[str, Any] = {
        'camera': {'profile': args.camera, 'pattern': args.pattern},
        'iso': args.iso if len(args.iso) > 1 else args.iso[0],
        'jpeg': args.jpeg if args.jpeg is None or len(args.jpeg) > 1 else args.jpeg[0],
        'seed': args.seed,
    }

    def work() -> list[str]:
        source, target = args.clean_folder.expanduser(), args.output.expanduser()
        return [simulate(source, target, settings, args.shots, args.workers, args.overwrite)]

    return run_command('simulate_noise.py', args.output, work, 'nothing was written')


def build_parser() -> argparse.ArgumentParser:
    """Describe the arguments."""
    cameras = '\n'.join(f'  {name:12} {profile.description}' for name, profile in PROFILES.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f'cameras:\n{cameras}', formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('clean_folder', type=Path, metavar='CLEAN_FOLDER', help='clean images; subfolders count')
    add('-o', '--output', type=Path, required=True, metavar='OUT', help='folder to write; must not exist')
    add('--camera', choices=PROFILES, default='phone', help='default: phone')
    number = 'ISO number, or lowest and highest; default: 3200'
    add('--iso', type=float, nargs='+', default=[3200.0], metavar='N', help=number)
    quality = 'quality of JPEG compression, or lowest and highest; default: none'
    add('--jpeg', type=int, nargs='+', metavar='Q', help=quality)
    add('--pattern', choices=[*BAYER_PATTERNS, 'random'], default='RGGB', help='Bayer pattern; default: RGGB')
    add('--shots', type=positive, default=1, help='noisy images of each scene; default: 1')
    add('--seed', type=int, default=0, help='default: 0')
    add('--workers', type=positive, help='images at a time; default: one per core')
    add('--overwrite', action='store_true', help='replace an earlier result of this command')
    return parser


if __name__ == '__main__':
    sys.exit(main())
