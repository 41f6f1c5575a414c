"""Denoise the SIDD benchmark or DND with a trained model and write what their servers take; docs/data/datasets.md."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from amsnet_basicsr.prepare.build_records import Choices
from amsnet_basicsr.prepare.outputs import run_command
from amsnet_basicsr.prepare.submission import dnd, sidd
from amsnet_basicsr.prepare.submission.denoise import Submission


def main(argv: Sequence[str] | None = None) -> int:
    """Make one of the submissions; returns the exit status."""
    args = build_parser().parse_args(argv)
    return run_command('make_submission.py', args.output, lambda: args.run(args))


def submit_sidd(args: argparse.Namespace) -> list[str]:
    """Write SubmitSrgb.mat and SubmitSrgb.csv."""
    about = {'MethodName': args.method, 'Authors': args.authors, 'PaperTitle': args.title, 'Venue': args.venue}
    made = sidd.submit(args.noisy, args.denoised, about, submission(args))
    return [made, 'Next: upload SubmitSrgb.csv to Kaggle, or SubmitSrgb.mat to the benchmark (docs/data/datasets.md)']


def submit_dnd(args: argparse.Namespace) -> list[str]:
    """Write the bundle of 50 files."""
    made = dnd.submit(args.data, submission(args))
    return [made, "Next: upload the bundle to DND's server (docs/data/datasets.md)"]


def submission(args: argparse.Namespace) -> Submission:
    """Take what both commands have in common."""
    choices = Choices(overwrite=args.overwrite, restart=args.restart, ignore_space=args.ignore_space)
    return Submission(args.opt, args.output, choices)


def build_parser() -> argparse.ArgumentParser:
    """Describe the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    test_options = 'options as for basicsr/test.py, e.g. options/test_amsnet_restormer.yml; datasets are ignored'

    command = commands.add_parser('sidd', help='SubmitSrgb.mat and SubmitSrgb.csv (Kaggle)')
    command.add_argument('-opt', type=Path, help=test_options)
    command.add_argument(
        '--noisy', type=Path, help='BenchmarkNoisyBlocksSrgb.mat, or what prepare_sidd.py benchmark makes of it'
    )
    command.add_argument('--denoised', type=Path, help='instead: folder of denoised blocks II_JJ.png')
    command.add_argument('--method', help="name of the method in SubmitSrgb.mat; default: the options' name")
    for name in ('authors', 'title', 'venue'):
        command.add_argument(f'--{name}', default='', help='for SubmitSrgb.mat, optional')
    command.set_defaults(run=submit_sidd)

    command = commands.add_parser('dnd', help='bundle of 50 .mat files')
    command.add_argument('-opt', type=Path, required=True, help=test_options)
    command.add_argument('--data', type=Path, required=True, help='folder with info.mat and images_srgb/')
    command.set_defaults(run=submit_dnd)

    for command in commands.choices.values():
        command.add_argument('-o', '--output', type=Path, required=True, help='folder to write to')
        command.add_argument('--overwrite', action='store_true', help='replace an existing submission')
        command.add_argument('--restart', action='store_true', help='denoise again what earlier runs have denoised')
        command.add_argument('--ignore-space', action='store_true', help='skip the check of the free disk')
    return parser


if __name__ == '__main__':
    sys.exit(main())
