"""The command line of training and testing: BasicSR's own, but that nothing in the options is ever run."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amsnet_basicsr.options.force_yml import apply_force_yml
from amsnet_basicsr.options.settings import read_setting, split_setting
from amsnet_basicsr.options.shipped import find_options
from amsnet_basicsr.utils.text import printable


@dataclass(frozen=True)
class Command:
    """What was asked for.

    Attributes:
        arguments: The parsed command line.
        raw: The options of the file, with `--force_yml` applied.
    """

    arguments: argparse.Namespace
    raw: dict[str, Any]


def command_parser() -> argparse.ArgumentParser:
    """Make the parser of BasicSR's arguments.

    Returns:
        The parser.
    """
    parser = argparse.ArgumentParser()
    add_options_arguments(parser)
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm'], default='none', help='what started the processes'
    )
    parser.add_argument('--auto_resume', action='store_true', help='go on from the newest checkpoint')
    parser.add_argument('--debug', action='store_true', help='validate, print and save very often')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='ignored; old launchers pass it')
    return parser


def add_options_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say which options: `-opt` and `--force_yml`.

    Args:
        parser: Gets the arguments.
    """
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
    """Read the command line and, once and safely, the options file.

    Args:
        argv: Arguments; default: those of the process.

    Returns:
        What was asked for.

    Raises:
        SystemExit: If the command line or the file is no good; the message says why.
    """
    arguments = command_parser().parse_args(argv)
    return Command(arguments, read_or_stop(arguments))


def read_or_stop(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read the options that a command line names: a file of the user's, or one that comes with the package.

    Args:
        arguments: With `opt` and `force_yml`; `opt` becomes the file that was found.

    Returns:
        The options.

    Raises:
        SystemExit: If the file or a change is no good.
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
    """Refuse a file that makes BasicSR import Python from a folder that it names."""
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
    """Write the report on an options file.

    Args:
        path: The file.
        problems: What is wrong with it.
        outcome: What follows from that.

    Returns:
        The report.
    """
    count = f'{len(problems)} problem{"s" * (len(problems) > 1)}'
    # Some data sets name their bad images in lines of their own.
    lines = ['\n'.join(map(printable, problem.split('\n'))) for problem in problems]
    return '\n  - '.join([f'{path} has {count}; {outcome}:', *lines])
