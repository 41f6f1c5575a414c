"""`benchmark.py limit`: how near a training step and a pass come to the matrix rate of this machine."""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from benchmarks.measure import Clock, add_comparison_arguments, count_operations, in_turns, start_timing
from benchmarks.networks import build
from page import table


def matrix_rate(clock: Clock = time.perf_counter, rounds: int = 9) -> float:
    """Measure how fast this machine multiplies matrices."""
    matrix = torch.rand(1024, 1024)
    tasks: dict[str, Callable[[], object]] = {'product': lambda: matrix @ matrix}
    operations = {'product': 2 * 1024**3}
    for kernel, images, channels in ((1, 16, 256), (3, 8, 128)):
        image = torch.rand(images, channels, 32, 32).contiguous(memory_format=torch.channels_last)
        weight = torch.rand(channels, channels, kernel, kernel).contiguous(memory_format=torch.channels_last)
        name = f'{kernel}×{kernel}'
        tasks[name] = partial(torch.conv2d, image, weight, padding=kernel // 2)
        operations[name] = 2 * image.numel() * channels * kernel**2
    times = in_turns(tasks, rounds, clock)
    return max(operations[name] / statistics.median(times[name]) for name in tasks)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `limit`."""
    add_comparison_arguments(parser, 5)


def run(args: argparse.Namespace) -> str:
    """Count operations and time forward and backward on the 50 sub-images of two crops of 160×160."""
    clock = start_timing(args)
    rate = matrix_rate(clock)
    rows = []
    for name in args.archs:
        net, x = build(name), torch.rand(50, 3, 32, 32)

        def both(net=net, x=x) -> None:
            net(x).mean().backward()

        @torch.no_grad()
        def forward(net=net, x=x) -> None:
            net(x)

        # Three times with gradients by rule: the counter takes those of depthwise convolutions for those of full ones.
        operations = count_operations(forward)
        cells = []
        for times, seconds in in_turns({1: forward, 3: both}, args.rounds, clock).items():
            count = times * operations
            cells += [f'{count / 1e9:.2f}', f'{count / rate / statistics.median(seconds):.0%}']
        rows.append([f'`{name}`', *cells])
    head = ['network', 'forward, 10⁹ operations', 'of the matrix rate', 'forward and backward', 'of the matrix rate']
    return table(head, rows) + (
        f'\n\n50 sub-images of 32×32; the matrix rate is {rate / 1e9:.0f}·10⁹ operations per '
        f'second with {torch.get_num_threads()} thread(s). Products and convolutions count, three times with gradients.'
    )
