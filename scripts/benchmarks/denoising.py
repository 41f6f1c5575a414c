"""`benchmark.py denoise`: time and peak memory of denoising against the plain procedure, with the same masks."""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from benchmarks.measure import add_comparison_arguments, compare, start_timing, time_by_plain
from benchmarks.networks import build_pair
from benchmarks.reference_scheme import denoise, padded
from page import table
from torch import nn

from amsnet_basicsr.archs.layers.fuse_batch_norm import fuse_batch_norm
from amsnet_basicsr.scheme import R3, AsymmetricMaskDenoiser

#: Largest difference allowed between the results.
TOLERANCE = 1e-4


def noise(height: int, width: int) -> torch.Tensor:
    """Draw an image."""
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def plain_task(net: nn.Module, scheme: AsymmetricMaskDenoiser, noisy: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Make the plain side of a comparison, with the draws of a denoiser of ours in their order."""
    generator = torch.Generator().manual_seed(scheme.seed)
    draw = partial(scheme.draw_partition, tuple(noisy.shape), generator=generator)
    index = draw(scheme.stride)
    uniform = partial(torch.rand, (1, 1, *noisy.shape[-2:]), generator=generator)
    replacements = list(scheme.refine.draw(uniform, partial(draw, 1))) if scheme.refine else []
    return partial(denoise, partial(padded, net.eval(), multiple=scheme.size_multiple), noisy, index, replacements)


def tasks_for(name: str, size: int, with_r3: bool) -> dict[str, Callable[[], torch.Tensor]]:
    """Make the two sides of a comparison."""
    pair, noisy = build_pair(name), noise(size, size)
    denoiser = AsymmetricMaskDenoiser(fuse_batch_norm(pair.ours.eval()), refine=R3() if with_r3 else None)
    return {'ours': partial(denoiser, noisy), 'plain': plain_task(pair.plain, denoiser, noisy)}


def side_alone(name: str, size: int, with_r3: bool, side: str) -> Callable[[], None]:
    """Make one side of `tasks_for`, which returns nothing."""
    task = tasks_for(name, size, with_r3)[side]
    return lambda: (task(), None)[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `denoise`."""
    add_comparison_arguments(parser, 5)
    parser.add_argument('--size', type=int, default=256, help='side of the image, an even number: 256')
    parser.add_argument('--no-memory', action='store_true', help='leave out the peak memory (it needs Linux)')


def run(args: argparse.Namespace) -> str:
    """Time and measure both sides with and without R3."""
    clock = start_timing(args)
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
            cells = compare(tasks, args, clock, side_alone, name, args.size, with_r3)
            rows.append([f'`{name}`{", R3" if with_r3 else ""}', *cells, f'{difference:.0e}'])
    head = ['network', time_by_plain(args), 'ours', 'peak memory by plain', 'ours', 'largest difference']
    return table(head, rows) + (
        f'\n\nOne image of {args.size}×{args.size}, median of {args.rounds} rounds (quartiles), '
        f'{torch.get_num_threads()} thread(s). Memory: what a process of its own grows by.'
    )
