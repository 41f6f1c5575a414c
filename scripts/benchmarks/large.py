"""`benchmark.py large`: time and peak memory of whole images against the plain procedure, which knows no tiles."""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from benchmarks.denoising import TOLERANCE, noise, plain_task
from benchmarks.measure import Clock, add_comparison_arguments, ratio_cell, start_timing, time_by_plain
from benchmarks.memory import memory_cells, peak_of
from benchmarks.networks import NETWORKS, build_pair
from page import table

from amsnet_basicsr import Denoiser
from amsnet_basicsr.denoise.allocator import keep_freed_memory
from amsnet_basicsr.options.blocks import DenoiserScheme
from amsnet_basicsr.scheme import AsymmetricMaskDenoiser

#: Networks that see no further than tiles overlap, so that results must agree. The others average over the whole image,
#: or see hundreds of pixels through their coarse scales; `benchmark.py denoise` checks those.
BOUNDED = ('DnCNN',)
#: Networks that take half an hour for 12 megapixels, and the most pixels of theirs unless they are asked for.
SLOW = {'DeamNet': 2e6}


def side_alone(name: str, width: int, height: int, side: str, output: Path, clock: Clock) -> Callable[[], float]:
    """Make one side of the comparison, which saves its result and returns its time."""
    pair, noisy = build_pair(name), noise(height, width)
    if side == 'ours':
        keep_freed_memory()  # as the command does
        task = partial(Denoiser(pair.ours, DenoiserScheme(), device='cpu'), noisy)
    else:
        task = plain_task(pair.plain, AsymmetricMaskDenoiser(pair.ours), noisy)

    def timed() -> float:
        start = clock()
        result = task()
        seconds = clock() - start
        np.save(output, result.clamp(0, 1).numpy())
        return seconds

    return timed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `large`."""
    add_comparison_arguments(parser, 1)
    sizes = ['1024x1024', '2048x2048', '4096x3072']
    parser.add_argument('--sizes', nargs='+', default=sizes, metavar='WxH', help=f'default: {" ".join(sizes)}')


def _sides(size: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in size.split('x'))
    except ValueError:
        width = height = 0
    if min(width, height) < 64 or width % 2 or height % 2:
        raise ValueError(f'--sizes: two even numbers of at least 64 such as 2048x2048 are needed, got {size!r}')
    return width, height


def run(args: argparse.Namespace) -> str:
    """Time and measure both sides in turns, each in a process of its own."""
    clock = start_timing(args)
    sizes = [_sides(size) for size in args.sizes]
    rows = []
    with tempfile.TemporaryDirectory(prefix='benchmark-large-') as temporary:
        outputs = {side: Path(temporary) / f'{side}.npy' for side in ('ours', 'plain')}
        for name in args.archs:
            for width, height in sizes:
                if args.archs == list(NETWORKS) and width * height > SLOW.get(name, float('inf')):
                    continue
                peaks: dict[str, int | None] = {'ours': 0, 'plain': 0}
                times: dict[str, list[float]] = {'ours': [], 'plain': []}
                for _ in range(args.rounds):
                    for side, output in outputs.items():
                        if peaks[side] is not None:
                            peak, seconds = peak_of(side_alone, name, width, height, side, output, clock)
                            peaks[side] = None if peak is None else max(peak, peaks[side])
                            times[side] += [] if peak is None else [seconds]
                both = None not in peaks.values()
                if both and name in BOUNDED:
                    _check(name, outputs)
                ratio = ratio_cell(times) if both else '–'
                own = f'{statistics.median(times["ours"]):.0f} s' if times['ours'] else '–'
                memory = memory_cells(peaks['ours'], peaks['plain'])
                rows.append([f'`{name}`', f'{width * height / 1e6:.1f} MP', ratio, own, *memory])
    rounds = f'{args.rounds} rounds' if args.rounds > 1 else 'one round'
    head = ['network', 'image', time_by_plain(args), 'ours', 'peak memory by plain', 'ours']
    return table(head, rows) + (
        f'\n\nMask scheme without refinement, {rounds}, {torch.get_num_threads()} thread(s), '
        'each side in a process of its own, whose growth is the memory. Ours keeps freed memory, as `amsnet-denoise` '
        'does.'
    )


def _check(name: str, outputs: dict[str, Path]) -> None:
    ours, plain = (np.load(outputs[side], mmap_mode='r') for side in ('ours', 'plain'))
    # Channel by channel, not to hold an image three times.
    difference = max(float(np.abs(a - b).max()) for a, b in zip(ours[0], plain[0], strict=True))
    if difference > TOLERANCE:
        raise ValueError(f'{name}: the result differs from the plain one by {difference:.1e}: nothing was reported')
