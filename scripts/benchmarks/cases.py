"""What is timed: the networks at sizes that a CPU can train, and pairs of ours and the plain version of each."""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from benchmarks.reference_nets import reference_net
from torch import nn

from amsnet_basicsr.archs import ARCHS

#: Arguments of each network. The first two are those of the targets.
CASES: dict[str, dict[str, Any]] = {
    'Restormer': {'dim': 16, 'num_blocks': (1, 2, 2, 2), 'num_refinement_blocks': 1, 'heads': (1, 2, 4, 8)},
    'NAFNetBaseline': {
        'width': 16,
        'middle_blk_num': 2,
        'enc_blk_nums': (1, 1, 1, 2),
        'dec_blk_nums': (1, 1, 1, 1),
    },
    'NAFNet': {'width': 16, 'middle_blk_num': 2, 'enc_blk_nums': (1, 1, 1, 2), 'dec_blk_nums': (1, 1, 1, 1)},
    'UNet': {'n_feature': 16},
    'DnCNN': {'nc': 32, 'nb': 10},
    'DeamNet': {},
}


class Pair(NamedTuple):
    """A network of the package and its plain version with the same weights."""

    ours: nn.Module
    plain: nn.Module


def build_pair(name: str) -> Pair:
    """Build a network and its plain version with the same weights, none of them zero or one by construction."""
    torch.manual_seed(0)
    net = ARCHS[name](**CASES[name])
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            if key.endswith(('beta', 'gamma')) or 'norm' in key:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return Pair(net.to(memory_format=torch.channels_last), reference_net(net))


def add_common_arguments(parser: argparse.ArgumentParser, rounds: int) -> None:
    """Declare the arguments that all comparisons have."""
    parser.add_argument(
        '--archs', nargs='+', choices=CASES, default=list(CASES), metavar='NAME', help=f'default: {" ".join(CASES)}'
    )
    parser.add_argument('--rounds', type=int, default=rounds, help=f'times everything is measured: {rounds}')
    parser.add_argument('--threads', type=int, help="threads; default: PyTorch's")
    parser.add_argument('--processor-time', action='store_true', help='processor time, for a machine that is not idle')


def check_common(args: argparse.Namespace) -> Callable[[], float]:
    """Refuse impossible values and set the threads."""
    for name in ('rounds', 'threads'):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f'--{name} must be at least 1, got {value}')
    if args.threads:
        torch.set_num_threads(args.threads)
    return time.process_time if args.processor_time else time.perf_counter


def in_turns(tasks: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Time tasks in turns, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            start = clock()
            task()
            if number:
                times[name].append(clock() - start)
    return times


def ratio_cell(ours: Sequence[float], plain: Sequence[float]) -> str:
    """Median of the ratios of the rounds, and their quartiles."""
    ratios = sorted(a / b for a, b in zip(ours, plain, strict=True))
    text = f'{statistics.median(ratios):.2f}'
    if len(ratios) > 2:
        low, _, high = statistics.quantiles(ratios, n=4, method='inclusive')
        text += f' ({low:.2f}–{high:.2f})'
    return text
