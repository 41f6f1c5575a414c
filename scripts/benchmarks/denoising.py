"""`benchmark.py denoise`: time and peak memory of denoising against the plain procedure, with the same masks."""

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import torch
from benchmarks.cases import add_common_arguments, build_pair, check_common, in_turns, ratio_cell
from benchmarks.memory import memory_cells, peak_of
from benchmarks.reference_scheme import denoise, padded

from amsnet_basicsr.archs.fuse_batch_norm import fuse_batch_norm
from amsnet_basicsr.scheme import R3, AsymmetricMaskDenoiser

#: Largest difference allowed between the results.
TOLERANCE = 1e-4


def tasks_for(name: str, size: int, with_r3: bool) -> dict[str, partial]:
    """Make the two sides of a comparison."""
    pair = build_pair(name)
    noisy = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    denoiser = AsymmetricMaskDenoiser(fuse_batch_norm(pair.ours.eval()), refine=R3() if with_r3 else None)
    # The same draws in the same order as in the denoiser.
    generator = torch.Generator().manual_seed(denoiser.seed)
    draw = partial(denoiser.draw_partition, tuple(noisy.shape), generator=generator)
    index = draw(denoiser.stride)
    uniform = partial(torch.rand, (1, 1, size, size), generator=generator)
    replacements = list(R3().draw(uniform, partial(draw, 1))) if with_r3 else []
    plain = partial(padded, pair.plain.eval(), multiple=denoiser.size_multiple)
    return {'ours': partial(denoiser, noisy), 'plain': partial(denoise, plain, noisy, index, replacements)}


def side_alone(name: str, size: int, with_r3: bool, side: str) -> Callable[[], None]:
    """Make one side of `tasks_for`, which returns nothing."""
    task = tasks_for(name, size, with_r3)[side]
    return lambda: (task(), None)[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `denoise`."""
    add_common_arguments(parser, 5)
    parser.add_argument('--size', type=int, default=256, help='side of the image, an even number: 256')
    parser.add_argument('--no-memory', action='store_true', help='leave out the peak memory (it needs Linux)')


def run(args: argparse.Namespace) -> str:
    """Time and measure both sides with and without R3."""
    clock = check_common(args)
    if args.size < 64 or args.size % 2:
        raise ValueError(f'--size must be an even number of at least 64, got {args.size}')
    rows = []
    for name in args.archs:
        for with_r3 in (False, True):
            tasks = tasks_for(name, args.size, with_r3)
            difference = float((tasks['ours']() - tasks['plain']()).abs().max())
            if difference > TOLERANCE:
                raise ValueError(
                    f'{name}: the result differs from the plain one by {difference:.1e}: nothing was timed'
                )
            times = in_turns(tasks, args.rounds, clock)
            memory = '–', '–'
            if not args.no_memory:
                memory = memory_cells(*(peak_of(side_alone, name, args.size, with_r3, side)[0] for side in tasks))
            rows.append(
                f'| `{name}`{", R3" if with_r3 else ""} | {ratio_cell(times["ours"], times["plain"])} | '
                f'{statistics.median(times["ours"]):.2f} s | {memory[0]} | {memory[1]} | {difference:.0e} |'
            )
    kind = 'processor time' if args.processor_time else 'time'
    head = (
        f'| network | {kind} by plain | ours | peak memory by plain | ours | largest difference |\n' + '|---' * 6 + '|'
    )
    return '\n'.join([head, *rows]) + (
        f'\n\nOne image of {args.size}×{args.size}, median of {args.rounds} rounds (quartiles), '
        f'{torch.get_num_threads()} thread(s). Memory: what a process of its own grows by.'
    )
