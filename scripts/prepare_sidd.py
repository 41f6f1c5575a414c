"""SIDD from the downloads to what the options expect: medium, validation, benchmark; see docs/data/datasets.md."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from amsnet_basicsr.prepare.build_records import Choices
from amsnet_basicsr.prepare.outputs import human_bytes, positive, run_command
from amsnet_basicsr.prepare.sidd.blocks import BENCHMARK, VALIDATION, find_mat_files, write_blocks
from amsnet_basicsr.prepare.sidd.medium import make_medium_lmdb


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare one of the sets; returns the exit status."""
    args = build_parser().parse_args(argv)
    return run_command('prepare_sidd.py', args.output, lambda: args.run(args))


def medium(args: argparse.Namespace) -> list[str]:
    """Cut SIDD-Medium into patches."""
    args.output = args.output or Path(f'datasets/SIDD_Medium/noisy_{args.size}.lmdb')
    report = make_medium_lmdb(args.input, args.output, args.size, args.step, choices(args))
    for line in report.damaged:
        print(f'Left out: {line}', file=sys.stderr)
    images = f'{len(report.groups)} noisy images' + (f' ({report.resumed} by earlier runs)' if report.resumed else '')
    made = f'{args.output}: {report.images} patches from {images}, {human_bytes(report.stored)}'
    return [made, f'Next: {next_command(args)}']


def blocks(args: argparse.Namespace) -> list[str]:
    """Write the blocks of the validation or the benchmark set."""
    wanted = VALIDATION if args.command == 'validation' else BENCHMARK
    made = write_blocks(find_mat_files(args.input, wanted), wanted, args.output, args.to, choices(args))
    return [made, f'Next: {next_command(args)}']


def choices(args: argparse.Namespace) -> Choices:
    """Take what all commands have in common."""
    return Choices(args.workers, args.overwrite, args.restart, getattr(args, 'skip_damaged', False), args.ignore_space)


def next_command(args: argparse.Namespace) -> str:
    """Say what to type next, with the options to change where the output isn't where they expect it."""
    if args.command == 'medium':
        usual = args.output == Path('datasets/SIDD_Medium/noisy_512.lmdb')
        note = '' if usual else f' (with dataroot_lq: {args.output})'
        return f'python basicsr/train.py -opt options/train_amsnet_restormer.yml{note}'
    if args.command == 'validation':
        suffix = '.lmdb' if args.to == 'lmdb' else ''
        note = f'dataroot_lq: {args.output}/noisy{suffix}, dataroot_gt: {args.output}/clean{suffix}'
        note += ', io_backend: {type: lmdb}' if suffix else ''
        usual = args.output == Path('datasets/SIDD_validation') and not suffix
        return 'python basicsr/test.py -opt options/test_amsnet_restormer.yml' + ('' if usual else f' (with {note})')
    noisy = args.output / ('noisy.lmdb' if args.to == 'lmdb' else 'noisy')
    return (
        'python scripts/make_submission.py sidd -opt options/test_amsnet_restormer.yml '
        f'--noisy {noisy} -o submissions/sidd'
    )


def build_parser() -> argparse.ArgumentParser:
    """Describe the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)

    train = commands.add_parser('medium', help='SIDD_Medium_Srgb: noisy patches in an LMDB')
    train.add_argument('input', type=Path, nargs='+', help='the extracted folder, or one or several zip files')
    train.add_argument('-o', '--output', type=Path, help='default: datasets/SIDD_Medium/noisy_<size>.lmdb')
    train.add_argument('--size', type=int, default=512, help='side of a patch in pixels; default: 512')
    train.add_argument('--step', type=int, default=256, help='distance between patches in pixels; default: 256')
    train.add_argument('--skip-damaged', action='store_true', help='leave damaged images out')
    train.set_defaults(run=medium)

    for name, default, to, text in (
        (
            'validation',
            'datasets/SIDD_validation',
            'folder',
            f'{VALIDATION["noisy"]}.mat and {VALIDATION["clean"]}.mat',
        ),
        ('benchmark', 'datasets/SIDD_benchmark', 'lmdb', f'{BENCHMARK["noisy"]}.mat'),
    ):
        command = commands.add_parser(name, help=f'{text}: blocks II_JJ.png')
        command.add_argument('input', type=Path, nargs='+', help='the .mat files, or a folder that holds them')
        command.add_argument('-o', '--output', type=Path, default=Path(default), help=f'default: {default}')
        command.add_argument('--to', choices=('folder', 'lmdb'), default=to, help=f'kind of output; default: {to}')
        command.set_defaults(run=blocks)

    for command in commands.choices.values():
        command.add_argument('--workers', type=positive, help='threads; default: one per core')
        command.add_argument('--overwrite', action='store_true', help='replace an existing output, at the end')
        command.add_argument('--restart', action='store_true', help='remove what an unfinished run left')
        command.add_argument('--ignore-space', action='store_true', help='skip the check of the free disk')
    return parser


if __name__ == '__main__':
    sys.exit(main())
