"""Measure how fast things are on this machine.

    python scripts/benchmark.py data                                  # patches per second of folder, LMDB and memory
    python scripts/benchmark.py data --dataroot datasets/my_photos/noisy
    python scripts/benchmark.py data --write docs/results/performance.md      # on an idle machine
    python scripts/benchmark.py train                                 # training steps against the plain procedure
    python scripts/benchmark.py denoise                               # denoising, with and without R3
    python scripts/benchmark.py large                                 # images of 4 and 12 megapixels
    python scripts/benchmark.py limit                                 # against the matrix rate of this machine
    python scripts/benchmark.py all --write docs/results/performance.md       # all of them but the next two
    python scripts/benchmark.py scale --write docs/train/scaling.md         # how time grows
    python scripts/benchmark.py plan options/train_amsnet_restormer.yml   # what a training will take

Every figure but those of `plan` is the median of several rounds, and each round measures everything once, so that a
busy minute doesn't spoil one figure alone.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import data, denoising, large, limit, scaling, training, training_cost
from page import write_between_marks

#: Sub-commands: modules with `add_arguments` and `run`, and what they measure.
COMMANDS = {
    'data': (data, 'patches per second of folder, LMDB and memory'),
    'train': (training, 'a training step against the plain procedure'),
    'denoise': (denoising, 'denoising against the plain procedure'),
    'large': (large, 'denoising of whole images against the plain procedure'),
    'limit': (limit, 'the share of the matrix rate that networks reach'),
    'scale': (scaling, 'how time grows with images, pixels, k, T and processes'),
    'plan': (training_cost, 'a few steps by options files, and compute what all of them will take'),
}
#: Those with a page of their own.
ELSEWHERE = ('scale', 'plan')


def add_write_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--write`."""
    parser.add_argument('--write', type=Path, metavar='PAGE', help='put the table between the marks of this page')


def main(argv: Sequence[str] | None = None) -> None:
    """Run a sub-command, and print its table or write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True, metavar='WHAT')
    for name, (module, what) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f'Measure {what}.')
        module.add_arguments(command)
        add_write_argument(command)
    add_write_argument(commands.add_parser('all', help='all of these but scale and plan, with their defaults'))
    args = parser.parse_args(argv)
    try:
        if args.write is not None and not args.write.is_file():
            raise ValueError(f'--write: there is no page {args.write}')
        every = [name for name in COMMANDS if name not in ELSEWHERE]
        for name in every if args.command == 'all' else [args.command]:
            text = COMMANDS[name][0].run(parser.parse_args([name]) if args.command == 'all' else args)
            if args.write is None:
                print(text)
            else:
                marks = f'<!-- measured by scripts/benchmark.py {name} -->', f'<!-- end of {name} -->'
                write_between_marks(args.write, *marks, text)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
