"""The command line of training and testing: BasicSR's own arguments, but nothing in the options is ever executed."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amsnet_basicsr.options.force_yml import apply_force_yml
from amsnet_basicsr.options.settings import find_options, read_setting, split_setting
from amsnet_basicsr.utils.text import printable


@dataclass(frozen=True)
class Command:
    """The parsed command line, and the options of the file with `--force_yml` applied."""

    arguments: argparse.Namespace
    raw: dict[str, Any]


def command_parser() -> argparse.ArgumentParser:
    """Make the parser of BasicSR's arguments."""
    parser = argparse.ArgumentParser()
    add_options_arguments(parser)
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm'], default='none', help='what started the processes'
    )
    parser.add_argument('--auto_resume', action='store_true', help='resume from the newest checkpoint')
    parser.add_argument('--debug', action='store_true', help='validate, print and save very often')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='ignored; old launchers pass it')
    return parser


def add_options_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `-opt`, `--force_yml` and `--import`, which say what the options are."""
    parser.add_argument('-opt', required=True, metavar='FILE[:SETTING]', help='options file')
    parser.add_argument(
        '--force_yml',
        nargs='+',
        default=[],
        metavar='KEY:KEY=VALUE',
        help='change or add options of the file, e.g. train:ema_decay=0.99 train:optim_g:lr=1e-5',
    )
    parser.add_argument(
        '--import',
        dest='parts',
        nargs='+',
        default=[],
        metavar='PACKAGE',
        help='import packages of your own first, which register archs, losses, datasets or metrics',
    )


def read_command(argv: Sequence[str] | None = None) -> Command:
    """Read the command line and the options file, once and safely.

    Raises:
        SystemExit: If something is wrong with the command line or the file; the message says what.
    """
    arguments = command_parser().parse_args(argv)
    return Command(arguments, read_or_stop(arguments))


def read_or_stop(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read the options file that `-opt` names, the user's or one that ships; `arguments.opt` becomes its path.

    Raises:
        SystemExit: If something is wrong with the file or a change.
    """
    try:
        file, setting = split_setting(arguments.opt)
        arguments.opt = find_options(file)
        options = read_setting(arguments.opt, setting)
        _refuse_memcached(arguments.opt, options)
        if arguments.parts:
            named = options.get('import')
            options['import'] = [*(named if isinstance(named, list) else []), *arguments.parts]
        return apply_force_yml(options, arguments.force_yml)
    except ValueError as error:
        sys.exit(f'{error}; nothing was started')


def _refuse_memcached(path: str, options: dict[str, Any]) -> None:
    """Refuse `memcached`, by which a file makes BasicSR import Python code from any folder."""
    datasets = options.get('datasets')
    for phase, dataset in datasets.items() if isinstance(datasets, dict) else ():
        backend = dataset.get('io_backend') if isinstance(dataset, dict) else None
        if isinstance(backend, dict) and backend.get('type') == 'memcached':
            key = f'datasets:{phase}:io_backend:type'
            raise ValueError(
                f'{path}: datasets.{phase}.io_backend: memcached imports Python code from the folder sys_path, which a '
                f'file may not ask for; write disk here and --force_yml {key}=memcached on the command line'
            )


def list_problems(path: str, problems: list[str], outcome: str) -> str:
    """Write the list of problems in a file; `outcome` says what follows from them."""
    count = f'{len(problems)} problem{"s" * (len(problems) > 1)}'
    # Some datasets name each bad image in a line of its own.
    lines = ['\n'.join(map(printable, problem.split('\n'))) for problem in problems]
    return '\n  - '.join([f'{path} has {count}; {outcome}:', *lines])
