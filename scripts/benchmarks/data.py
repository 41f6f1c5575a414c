"""`benchmark.py data`: how many training crops per second come from a folder, an LMDB and memory."""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from benchmarks.measure import median_seconds, require_positive
from page import table
from torch.utils.data import DataLoader, RandomSampler

from amsnet_basicsr.data import CameraNoiseDataset, NoisyImageDataset
from amsnet_basicsr.simulation.exposure import Simulation
from amsnet_basicsr.simulation.profiles import PROFILES

Measurement = Callable[[], float]


def median_of_rounds(measurements: dict[Any, Measurement], rounds: int) -> dict[Any, float]:
    """Measure everything several times, in turns."""
    results: dict[Any, list[float]] = {name: [] for name in measurements}
    for _ in range(rounds):
        for name, measure in measurements.items():
            results[name].append(measure())
    return {name: statistics.median(values) for name, values in results.items()}


def noisy_patches(count: int, size: int) -> Iterator[np.ndarray]:
    """Make noisy patches of the images that ship with scikit-image."""
    images = CameraNoiseDataset({'name': 'scenes', 'phase': 'val', 'camera': {'shot': 0, 'read': 0}})
    simulation = Simulation(PROFILES['phone'], iso=(800, 6400))
    rng = np.random.default_rng(0)
    for number in range(count):
        scene = (images[number % len(images)]['gt'].numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
        if size > min(scene.shape[:2]):
            scale = size / min(scene.shape[:2])
            sides = [max(size, round(scale * side)) for side in scene.shape[:2]]
            scene = cv2.resize(scene, sides[::-1], interpolation=cv2.INTER_CUBIC)
        top, left = (int(rng.integers(side - size + 1)) for side in scene.shape[:2])
        patch = np.ascontiguousarray(scene[top : top + size, left : left + size])
        yield simulation.exposure(str(number)).noisy(patch)


def write_patches(folder: Path, count: int, size: int) -> tuple[Path, Path]:
    """Write the same patches as a folder of PNG files and as an LMDB."""
    # Only now: importing amsnet_basicsr.data has made BasicSR importable beside today's torchvision.
    from basicsr.utils.lmdb_util import LmdbMaker

    files, database = folder / 'patches', folder / 'patches.lmdb'
    files.mkdir()
    maker = LmdbMaker(str(database))
    for number, patch in enumerate(noisy_patches(count, size)):
        content = cv2.imencode('.png', patch[..., ::-1])[1].tobytes()
        (files / f'{number:04}.png').write_bytes(content)
        maker.put(content, f'{number:04}', patch.shape)
    maker.close()
    return files, database


class Source(NamedTuple):
    """Something to read from, with its name in the table."""

    label: str
    dataset: NoisyImageDataset


def open_source(label: str, root: Path, crop: int, cache_mb: float) -> Source:
    """Open a folder or LMDB as training does."""
    opt = {'name': label, 'type': 'NoisyImageDataset', 'phase': 'train', 'dataroot_lq': str(root), 'crop_size': crop}
    return Source(label, NoisyImageDataset({**opt, 'cache_mb': cache_mb, 'check_images': False}))


def crops_per_second(dataset: NoisyImageDataset, workers: int, batch: int, crops: int) -> float:
    """Time a data loader that nothing waits for.

    The start of the workers and the first batches, which they prepare ahead, don't count.
    """
    warmup, batches = 2 + 3 * workers, max(1, crops // batch)
    generator = torch.Generator().manual_seed(0)
    # More than are timed: the last batches come while workers have nothing left to do.
    sampler = RandomSampler(dataset, True, (warmup + batches + 3 * workers) * batch, generator=generator)
    loader = iter(DataLoader(dataset, batch, sampler=sampler, num_workers=workers, drop_last=True))
    for _ in range(warmup):
        next(loader)
    start = time.perf_counter()
    for _ in range(batches):
        next(loader)
    return batches * batch / (time.perf_counter() - start)


def processor_milliseconds(dataset: NoisyImageDataset, images: int = 20) -> tuple[float, float]:
    """Measure what one image costs this process, to read and decode and in all, however busy the machine is."""
    numbers = itertools.cycle(range(len(dataset)))
    tasks = (lambda: dataset._decode(dataset.entries[next(numbers)])), (lambda: dataset[next(numbers)])
    decoding, whole = (1000 * median_seconds(task, images, time.process_time) for task in tasks)
    return decoding, whole


def data_table(sources: Sequence[Source], args: argparse.Namespace) -> str:
    """Measure all sources with all numbers of workers."""
    measurements: dict[Any, Measurement] = {
        (source.label, workers): partial(crops_per_second, source.dataset, workers, args.batch, args.crops)
        for source in sources
        for workers in args.workers
    }
    medians = median_of_rounds(measurements, args.rounds)
    head = ['patches per second', *(f'{n} worker{"s" * (n != 1)}' for n in args.workers)]
    rows = [[source.label, *(f'{medians[source.label, n]:,.0f}' for n in args.workers)] for source in sources]
    images = len(sources[0].dataset)
    decoding, whole = processor_milliseconds(sources[0].dataset)
    sides = sources[0].dataset._decode(sources[0].dataset.entries[0]).shape[:2]
    return table(head, rows) + (
        f'\n\n{images} images of {sides[1]}×{sides[0]} (the first), crops of {args.crop}×{args.crop} in batches of '
        f'{args.batch}; median of {args.rounds} rounds of {args.crops} crops, {torch.get_num_threads()} thread(s) for '
        f'PyTorch, {os.cpu_count()} cores. 0 workers: read by the training process itself, between its steps. '
        f'Processor time of this process alone: {decoding:.1f} ms to read and decode one of the {sources[0].label}, '
        f'{max(whole - decoding, 0):.1f} ms to crop, turn and convert it.'
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `data`."""
    parser.add_argument('--dataroot', type=Path, help='your own folder or .lmdb; default: patches made on the spot')
    parser.add_argument('--workers', type=int, nargs='+', default=[0, 1, 2], metavar='N', help='default: 0 1 2')
    parser.add_argument('--count', type=int, default=24, help='patches to make: 24')
    parser.add_argument('--size', type=int, default=512, help='their side in pixels: 512')
    parser.add_argument('--crop', type=int, default=160, help='side of the crops: 160')
    parser.add_argument('--batch', type=int, default=2, help='crops in a batch: 2')
    parser.add_argument('--crops', type=int, default=200, help='crops timed at once: 200')
    parser.add_argument('--cache-mb', type=float, default=2000, help='megabytes of images in memory: 2000')
    parser.add_argument('--rounds', type=int, default=5, help='times everything is measured: 5')


def run(args: argparse.Namespace) -> str:
    """Measure the reading of training crops."""
    require_positive(args, 'count', 'size', 'crop', 'batch', 'crops', 'rounds')
    if min(args.workers) < 0:
        raise ValueError(f'--workers must not be negative, got {min(args.workers)}')
    if args.dataroot is None and args.crop > args.size:
        raise ValueError(f'--crop {args.crop} is larger than --size {args.size}')
    with tempfile.TemporaryDirectory(prefix='benchmark-data-') as temporary:
        roots = (
            {'LMDB' if args.dataroot.suffix == '.lmdb' else 'folder': args.dataroot}
            if args.dataroot
            else dict(zip(('folder', 'LMDB'), write_patches(Path(temporary), args.count, args.size), strict=True))
        )
        sources = [open_source(label, root, args.crop, 0) for label, root in roots.items()]
        memory = f'memory (`cache_mb: {args.cache_mb:g}`)'
        sources.append(open_source(memory, next(iter(roots.values())), args.crop, args.cache_mb))
        return data_table(sources, args)
