"""The command line of training and testing: BasicSR's own, but that nothing in the options is ever run."""

import argparse
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amsnet_basicsr.options.force_yml import apply_force_yml
from amsnet_basicsr.options.reader import read_options
from amsnet_basicsr.options.shipped import find_options
from amsnet_basicsr.utils.text import printable

_LAUNCHED_BY = {'pytorch': ('torchrun', 'RANK', 'WORLD_SIZE'), 'slurm': ('srun', 'SLURM_PROCID', 'SLURM_NTASKS')}


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
        '--launcher', choices=['none', *_LAUNCHED_BY], default='none', help='what started the processes'
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
    parser.add_argument('-opt', required=True, metavar='FILE', help='options file')
    parser.add_argument(
        '--force_yml',
        nargs='+',
        default=[],
        metavar='KEY:KEY=VALUE',
        help='change options of the file, e.g. train:ema_decay=0.99 train:optim_g:lr=1e-5',
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
        arguments.opt = find_options(arguments.opt)
        return apply_force_yml(read_options(arguments.opt), arguments.force_yml)
    except ValueError as error:
        sys.exit(f'{error}; nothing was started')


def prepare(command: Command, root_path: str, is_train: bool) -> tuple[dict[str, Any], argparse.Namespace]:
    """Do what BasicSR's `parse_options` does, with everything checked before anything is touched.

    In this order: complete the options, check them, join the other processes, seed.

    Args:
        command: What was asked for.
        root_path: Folder of `experiments/` and `results/`.
        is_train: Whether to train or to test.

    Returns:
        Options and arguments, as BasicSR's pipelines want them.

    Raises:
        SystemExit: If there are problems; all of them are listed.
    """
    import torch
    from basicsr.utils import set_random_seed

    from amsnet_basicsr.options.checks.run import check_all
    from amsnet_basicsr.options.complete import complete_options

    arguments = command.arguments
    rank, processes = _place(arguments.launcher)
    opt = complete_options(
        command.raw, root_path, is_train, arguments.debug, arguments.auto_resume,
        arguments.launcher != 'none', rank, processes, torch.cuda.device_count(),
    )  # fmt: skip
    problems, notes = check_all(command.raw, opt)
    if problems:
        sys.exit(list_problems(arguments.opt, problems, 'nothing was started'))
    if rank == 0:
        for note in notes:
            print(f'Note: {printable(note)}', flush=True)
    if opt['dist']:
        _join(arguments.launcher, opt.get('dist_params') or {})
    if opt.get('manual_seed') is None:
        opt['manual_seed'] = _common_seed(opt['dist'])
    set_random_seed(opt['manual_seed'] + rank)
    return opt, arguments


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


def _place(launcher: str) -> tuple[int, int]:
    """Find out which process this is, of how many, before they meet."""
    if launcher == 'none':
        return 0, 1
    program, rank, processes = _LAUNCHED_BY[launcher]
    try:
        place = int(os.environ[rank]), int(os.environ[processes])
    except (KeyError, ValueError):
        sys.exit(f'--launcher {launcher}: {rank} and {processes} are not set; start it by {program}')
    if launcher == 'slurm':
        import torch

        if not torch.cuda.device_count():
            sys.exit(
                '--launcher slurm needs CUDA GPUs, and PyTorch finds none; torchrun and --launcher pytorch do without'
            )
    return place


def _join(launcher: str, settings: dict[str, Any]) -> None:
    """Meet the other processes by BasicSR, with all of `dist_params`; it passes them on for slurm alone."""
    from basicsr.utils.dist_util import init_dist

    try:
        init_dist(launcher, **settings)
    except (RuntimeError, TypeError) as error:
        sys.exit(f'--launcher {launcher}: {error}')


def _common_seed(distributed: bool) -> int:
    """Draw a seed that all processes have: the order of the training images follows from it."""
    seed = [random.SystemRandom().randint(1, 10000)]
    if distributed:
        import torch

        torch.distributed.broadcast_object_list(seed, src=0)
    return seed[0]
