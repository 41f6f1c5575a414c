"""Time and operations of calls, and what a comparison of ours with the plain version shows of them."""

import argparse
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from benchmarks.memory import memory_cells, peak_of
from benchmarks.networks import NETWORKS
from torch.utils.flop_counter import FlopCounterMode

Name = TypeVar('Name', bound=Hashable)
Clock = Callable[[], float]


def in_turns(
    tasks: Mapping[Name, Callable[[], object]], rounds: int, clock: Clock = time.perf_counter
) -> dict[Name, list[float]]:
    """Time tasks in turns, after one round that does not count, so that a busy minute doesn't spoil one alone."""
    times: dict[Name, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            start = clock()
            task()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                times[name].append(clock() - start)
    return times


def median_seconds(task: Callable[[], object], rounds: int, clock: Clock = time.perf_counter) -> float:
    """Time one task; the median of some rounds after one that does not count."""
    return statistics.median(in_turns({'': task}, rounds, clock)[''])


def count_operations(task: Callable[[], object]) -> int:
    """Count the operations of products and convolutions, two for each multiply-add."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        task()
    return counter.get_total_flops()


def require_positive(args: argparse.Namespace, *names: str) -> None:
    """Refuse numbers below 1 of the arguments of these names; None is not given."""
    for name in names:
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f'--{name} must be at least 1, got {value}')


def add_timing_arguments(parser: argparse.ArgumentParser, rounds: int) -> None:
    """Declare the arguments of everything that is timed."""
    parser.add_argument('--rounds', type=int, default=rounds, help=f'times everything is measured: {rounds}')
    parser.add_argument('--threads', type=int, help="threads; default: PyTorch's")
    parser.add_argument('--processor-time', action='store_true', help='processor time, for a machine that is not idle')


def add_comparison_arguments(parser: argparse.ArgumentParser, rounds: int) -> None:
    """Declare the arguments that all comparisons of networks have."""
    parser.add_argument('--archs', nargs='+', choices=NETWORKS, default=list(NETWORKS), metavar='NAME',
                        help=f'default: {" ".join(NETWORKS)}')  # fmt: skip
    add_timing_arguments(parser, rounds)


def start_timing(args: argparse.Namespace) -> Clock:
    """Refuse impossible values, set the threads, and return the clock."""
    require_positive(args, 'rounds', 'threads')
    if args.threads:
        torch.set_num_threads(args.threads)
    return time.process_time if args.processor_time else time.perf_counter


def time_by_plain(args: argparse.Namespace) -> str:
    """Name the column of `ratio_cell`."""
    return f'{"processor time" if args.processor_time else "time"} by plain'


def ratio_cell(times: Mapping[str, Sequence[float]]) -> str:
    """Write the median of the rounds' ratios of ours to plain, and their quartiles."""
    ratios = sorted(ours / plain for ours, plain in zip(times['ours'], times['plain'], strict=True))
    text = f'{statistics.median(ratios):.2f}'
    if len(ratios) > 2:
        low, _, high = statistics.quantiles(ratios, n=4, method='inclusive')
        text += f' ({low:.2f}–{high:.2f})'
    return text


def compare(
    tasks: Mapping[str, Callable[[], object]],
    args: argparse.Namespace,
    clock: Clock,
    prepare: Callable[..., Callable[[], Any]],
    *arguments: Any,
) -> list[str]:
    """Compare `ours` with `plain`: cells with the ratio of times, ours, the ratio of peak memories, and ours.

    `prepare` makes the task of a side from `arguments` and the side's name, in a process of its own.
    """
    times = in_turns(tasks, args.rounds, clock)
    own = statistics.median(times['ours'])
    text = f'{own:.2f} s' if own >= 1 else f'{own * 1e3:.0f} ms'
    memory = ('–', '–') if args.no_memory else memory_cells(*(peak_of(prepare, *arguments, side)[0] for side in tasks))
    return [ratio_cell(times), text, *memory]
