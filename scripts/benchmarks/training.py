"""`benchmark.py train`: a training step against that of the plain procedure, with the same weights and masks."""

import argparse
import copy
from collections.abc import Callable
from functools import partial

import torch
from benchmarks.measure import add_comparison_arguments, compare, start_timing, time_by_plain
from benchmarks.networks import Pair, build_pair
from benchmarks.reference_scheme import TrainingStep
from page import table
from torch import nn

from amsnet_basicsr.scheme import hide, pixel_downsample, random_partition, same_size_forward

STRIDE, RATE, DECAY = 5, 1e-4, 0.999
#: Largest difference allowed between losses, and between gradients relative to their length.
TOLERANCE = 1e-4


def our_step(net: nn.Module, multiple: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Make a training step as `AMSNetModel` does it: one branch, fused AdamW, average by one call."""
    from amsnet_basicsr.losses import mask_l1_loss

    parameters = list(net.parameters())
    average = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0, fused=True)

    def step(noisy: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        parts = pixel_downsample(noisy, STRIDE)
        prediction = same_size_forward(net, hide(parts, index, 0), multiple)
        loss = mask_l1_loss(prediction, parts, index == 0)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, parameters, 1 - DECAY)
        return loss.detach()

    return step


def check_step(name: str, pair: Pair, noisy: torch.Tensor, index: torch.Tensor) -> float:
    """Do one step on both sides and compare loss and gradients.

    In double precision, since in single rounding takes some units across the kink of a ReLU, which BatchNorm spreads:
    equal networks of 10 layers then differ by 0.001. Our loss computes in single precision.
    """
    multiple, pair = pair.ours.size_multiple, Pair(*(copy.deepcopy(net).double() for net in pair))
    ours, plain = our_step(pair.ours, multiple), TrainingStep(pair.plain, multiple, RATE, DECAY, STRIDE)
    noisy = noisy.double()
    losses = float(ours(noisy, index)), plain(noisy, index)
    gradients = [
        (first.grad, second.grad)
        for first, second in zip(pair.ours.parameters(), pair.plain.parameters(), strict=True)
        if first.grad is not None
    ]
    squares = sum(float((first - second).square().sum()) for first, second in gradients)
    worst = max(abs(losses[0] - losses[1]), (squares / sum(float(g.square().sum()) for _, g in gradients)) ** 0.5)
    if worst > TOLERANCE:
        raise ValueError(f'{name}: the step differs from the plain one by {worst:.1e}: nothing was timed')
    return worst


def crops_and_index(size: int, batch: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw noise as crops, and a partition of their sub-images."""
    generator = torch.Generator().manual_seed(seed)
    noisy = torch.rand(batch, 3, size, size, generator=generator)
    side = size // STRIDE
    return noisy, random_partition((batch * STRIDE**2, 3, side, side), 2, generator)


def tasks_for(pair: Pair, size: int, batch: int) -> dict[str, Callable[[], object]]:
    """Make the steps of the two sides of a comparison."""
    multiple, inputs = pair.ours.size_multiple, crops_and_index(size, batch)
    plain = TrainingStep(pair.plain, multiple, RATE, DECAY, STRIDE)
    return {'ours': partial(our_step(pair.ours, multiple), *inputs), 'plain': partial(plain, *inputs)}


def two_steps_alone(name: str, size: int, batch: int, side: str) -> Callable[[], None]:
    """Make a call that does two steps of one side; in the second, gradients and moments are there."""
    step = tasks_for(build_pair(name), size, batch)[side]

    def steps() -> None:
        step()
        step()

    return steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `train`."""
    add_comparison_arguments(parser, 9)
    parser.add_argument('--no-memory', action='store_true', help='leave out the peak memory (it needs Linux)')
    parser.add_argument('--size', type=int, default=160, help='side of the crops, a multiple of 5 from 100 on: 160')
    parser.add_argument('--batch', type=int, default=2, help='crops in a batch: 2')


def run(args: argparse.Namespace) -> str:
    """Time steps in turns."""
    clock = start_timing(args)
    if args.size < 100 or args.size % STRIDE or args.batch < 1:
        raise ValueError(
            f'--size must be a multiple of {STRIDE} from 100 on and --batch at least 1: {args.size}, {args.batch}'
        )
    rows = []
    for name in args.archs:
        pair = build_pair(name)
        difference = check_step(name, pair, *crops_and_index(args.size, args.batch))
        tasks = tasks_for(pair, args.size, args.batch)
        cells = compare(tasks, args, clock, two_steps_alone, name, args.size, args.batch)
        rows.append([f'`{name}`', *cells, f'{difference:.0e}'])
    return table(['network', time_by_plain(args), 'ours', 'peak memory by plain', 'ours', 'difference'], rows) + (
        f'\n\n{args.batch} crops of {args.size}×{args.size}, median of {args.rounds} rounds (quartiles), '
        f'{torch.get_num_threads()} thread(s); memory: what a process of its own grows by in its first two steps. '
        'The difference is that of the gradients by their length, in double precision but for the loss.'
    )
