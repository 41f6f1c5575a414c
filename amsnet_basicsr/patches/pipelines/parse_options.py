"""BasicSR's `parse_options` runs code that options ask for; here nothing is run, and everything is checked first."""

import argparse
import os
import random
import sys
from types import ModuleType
from typing import Any

import torch
from basicsr.utils import set_random_seed
from basicsr.utils.dist_util import init_dist

from amsnet_basicsr.options.checks.run import check_all
from amsnet_basicsr.options.command import Command, list_problems
from amsnet_basicsr.options.complete import complete_options
from amsnet_basicsr.utils.distributed import from_first
from amsnet_basicsr.utils.text import printable, say

_LAUNCHED_BY = {'pytorch': ('torchrun', 'RANK', 'WORLD_SIZE'), 'slurm': ('srun', 'SLURM_PROCID', 'SLURM_NTASKS')}


def use_options(pipeline: ModuleType, command: Command) -> dict[str, Any]:
    """Let `basicsr.train` or `basicsr.test` get its options from our safe reader.

    Returns a dictionary that is filled with the options when the pipeline asks for them.
    """
    opt: dict[str, Any] = {}

    def parse_options(root_path: str, is_train: bool = True) -> tuple[dict[str, Any], argparse.Namespace]:
        opt.update(prepare(command, root_path, is_train))
        return opt, command.arguments

    pipeline.parse_options = parse_options  # type: ignore[attr-defined]
    return opt


def prepare(command: Command, root_path: str, is_train: bool) -> dict[str, Any]:
    """Complete the options, check them, join the other processes, seed.

    Raises:
        SystemExit: If there are problems; all of them are listed.
    """
    arguments = command.arguments
    rank, processes = _place(arguments.launcher)
    opt = complete_options(
        command.raw, root_path, is_train, arguments.debug, arguments.auto_resume,
        arguments.launcher != 'none', rank, processes, torch.cuda.device_count(),
    )  # fmt: skip
    checked = check_all(command.raw, opt)
    if checked.problems:
        sys.exit(list_problems(arguments.opt, checked.problems, 'nothing was started'))
    if rank == 0:
        for note in checked.notes:
            say(f'Note: {printable(note)}')
    if opt['dist']:
        try:
            init_dist(arguments.launcher, **(opt.get('dist_params') or {}))  # BasicSR passes them on for slurm alone
        except (RuntimeError, TypeError) as error:
            sys.exit(f'--launcher {arguments.launcher}: {error}')
    if isinstance(opt.get('num_threads'), int):
        torch.set_num_threads(opt['num_threads'])
    opt['seed_is_drawn'] = opt.get('manual_seed') is None
    if opt['seed_is_drawn']:  # the same in all processes: the order of the training images follows from it
        opt['manual_seed'] = from_first(random.SystemRandom().randint(1, 10000))
    set_random_seed(opt['manual_seed'] + rank)
    return opt


def _place(launcher: str) -> tuple[int, int]:
    """Find out which process this is, of how many, before they meet."""
    if launcher == 'none':
        return 0, 1
    program, rank, processes = _LAUNCHED_BY[launcher]
    try:
        place = int(os.environ[rank]), int(os.environ[processes])
    except (KeyError, ValueError):
        sys.exit(f'--launcher {launcher}: {rank} and {processes} are not set; start it by {program}')
    if launcher == 'slurm' and not torch.cuda.device_count():
        sys.exit('--launcher slurm needs CUDA GPUs, and PyTorch finds none; torchrun and --launcher pytorch do without')
    return place
