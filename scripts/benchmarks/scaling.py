"""`benchmark.py scale`: how time grows with the size of an image, their number, k, T, and the number of processes."""

import argparse
import multiprocessing
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from benchmarks.measure import add_timing_arguments, in_turns, median_seconds, require_positive, start_timing
from benchmarks.memory import PROCESSES
from benchmarks.networks import NETWORKS, build
from benchmarks.training import crops_and_index, our_step
from page import table
from torch import nn

from amsnet_basicsr.scheme import R3, AsymmetricMaskDenoiser, PartitionAverage
from amsnet_basicsr.utils.distributed import average_gradients
from amsnet_basicsr.utils.parallel import available_cores


def denoising_tasks(net: nn.Module, size: int) -> dict[str, tuple[Callable[[], object], float]]:
    """Make what is timed: denoising calls, and how much of a network each runs in megapixels."""
    tasks: dict[str, tuple[Callable[[], object], float]] = {}

    def add(text: str, passes: int, images: int = 1, side: int = size, **settings: object) -> None:
        noisy = torch.rand(images, 3, side, side, generator=torch.Generator().manual_seed(1))
        denoiser = AsymmetricMaskDenoiser(net, **settings)
        tasks[text] = partial(denoiser, noisy), images * side**2 * passes / 1e6

    add(f'one image of {size}×{size}, k = 2, no refinement', 2)
    for side in (2 * size, 4 * size):
        add(f'{side}×{side}', 2, side=side)
    for images in (2, 4):
        add(f'{images} images', 2, images=images)
    for branches in (3, 4, 6):
        add(f'k = {branches}', branches, branches=branches)
    for samples in (2, 4, 8):
        add(f'R3, T = {samples}', 2 + 2 * samples, refine=R3(samples=samples))
    for samples in (2, 4, 8):
        add(f'PartitionAverage of {samples}', 2 * samples, refine=PartitionAverage(samples=samples))
    return tasks


def _train_together(
    rank: int, count: int, threads: int, name: str, batch: int, steps: int, meeting: str, results: multiprocessing.Queue
) -> None:
    torch.set_num_threads(threads)
    net = build(name)
    multiple = net.size_multiple
    if count > 1:
        torch.distributed.init_process_group('gloo', init_method=f'file://{meeting}', rank=rank, world_size=count)
        net = average_gradients(net)
    step = our_step(net, multiple)
    noisy, index = crops_and_index(160, batch, seed=1 + rank)
    seconds = median_seconds(partial(step, noisy, index), steps)
    if count > 1:
        torch.distributed.destroy_process_group()
    results.put(seconds)


def step_seconds(name: str, count: int, threads: int, batch: int, steps: int) -> float:
    """Time training steps in processes that average their gradients, each with its own crops."""
    results = PROCESSES.Queue()
    with tempfile.TemporaryDirectory(prefix='benchmark-scale-') as folder:
        meeting = str(Path(folder) / 'meeting')
        processes = [
            PROCESSES.Process(
                target=_train_together, args=(rank, count, threads, name, batch, steps, meeting, results), daemon=True
            )
            for rank in range(count)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    if any(process.exitcode for process in processes):
        raise ValueError(f'training in {count} process(es) failed; what went wrong stands above')
    return max(results.get() for _ in processes)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `scale`."""
    parser.add_argument('--arch', choices=NETWORKS, default='NAFNet', metavar='NAME', help='default: NAFNet')
    parser.add_argument('--size', type=int, default=256, help='side of the smallest image, an even number: 256')
    add_timing_arguments(parser, 5)
    parser.add_argument('--steps', type=int, default=12, help='training steps timed: 12')
    parser.add_argument('--starts', type=int, default=3, help='times each training is started: 3')


@torch.inference_mode()
def run(args: argparse.Namespace) -> str:
    """Time everything in turns."""
    clock = start_timing(args)
    require_positive(args, 'steps', 'starts')
    if args.size < 32 or args.size % 2:
        raise ValueError(f'--size must be an even number of at least 32, got {args.size}')
    tasks = denoising_tasks(build(args.arch).eval(), args.size)
    times = in_turns({text: task for text, (task, _) in tasks.items()}, args.rounds, clock)
    medians = {text: statistics.median(values) for text, values in times.items()}
    base = next(iter(medians.values()))
    kind = 'processor time' if args.processor_time else 'time'
    rows = [
        [
            text,
            f'{tasks[text][1]:.3g}',
            f'{seconds:.2f} s',
            f'{seconds / base:.1f}',
            f'{seconds / tasks[text][1]:.2f} s',
        ]
        for text, seconds in medians.items()
    ]
    head = ['denoising', 'passes × megapixels', kind, 'relative to the first', 'for each megapixel of a pass']

    threads, cores = torch.get_num_threads(), available_cores()
    settings = list(dict.fromkeys([(1, 1, 2), (1, cores, 2), (cores, 1, 1), (cores, 1, 2)]))
    step_rows = []
    for given in settings:
        seconds = statistics.median(step_seconds(args.arch, *given, args.steps) for _ in range(args.starts))
        step_rows.append([*given, f'{seconds * 1e3:.0f} ms', f'{given[0] * given[2] / seconds:.1f}'])
    step_head = ['processes', 'threads of each', 'crops of each', 'step', 'crops per second']
    return f'{table(head, rows)}\n\n{table(step_head, step_rows)}' + (
        f'\n\n`{args.arch}` as in performance.md, denoising: median of {args.rounds} rounds, {threads} thread(s); '
        f'training: crops of 160×160, gloo, {cores} cores, median of {args.steps} steps, then of {args.starts} '
        'start(s).'
    )
