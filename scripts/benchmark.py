"""Measure how fast things are on this machine.

    python scripts/benchmark.py data                                  # patches per second of folder, LMDB and memory
    python scripts/benchmark.py data --dataroot datasets/my_photos/noisy
    python scripts/benchmark.py data --write docs/results/performance.md      # on an idle machine
    python scripts/benchmark.py train                                 # training steps against the plain procedure
    python scripts/benchmark.py denoise                               # denoising, with and without R3
    python scripts/benchmark.py large                                 # images of 4 and 12 megapixels
    python scripts/benchmark.py limit                                 # against the matrix rate of this machine
    python scripts/benchmark.py all --write docs/results/performance.md       # all of them, but for the next two
    python scripts/benchmark.py scale --write docs/train/scaling.md         # how time grows
    python scripts/benchmark.py plan options/train_amsnet_restormer.yml   # what a training will take
    python scripts/benchmark.py plot docs/results/performance.md -o docs/results/images/performance.png

Every figure, but for those of `plan`, is the median of several rounds, and each round measures everything once, so that
a busy minute doesn't spoil one figure alone.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from benchmarks import denoising, large, limit, plan, plot, scaling, training
from pages import write_between_marks
from torch.utils.data import DataLoader, RandomSampler

from amsnet_basicsr.data import CameraNoiseDataset, NoisyImageDataset
from amsnet_basicsr.simulation.exposure import Simulation
from amsnet_basicsr.simulation.profiles import PROFILES

Measurement = Callable[[], float]


def median_of_rounds(measurements: dict[Any, Measurement], rounds: int) -> dict[Any, float]:
    """Measure everything several times, in turns.

    Args:
        measurements: Functions that measure once, by name.
        rounds: How many times each is called.

    Returns:
        Median by name.
    """
    results: dict[Any, list[float]] = {name: [] for name in measurements}
    for _ in range(rounds):
        for name, measure in measurements.items():
            results[name].append(measure())
    return {name: statistics.median(values) for name, values in results.items()}


# ---- data: reading training crops ----


def noisy_patches(count: int, size: int) -> Iterator[np.ndarray]:
    """Make noisy patches of the images that ship with scikit-image.

    Args:
        count: How many.
        size: Side in pixels; images that are smaller are enlarged, before they get their noise.

    Yields:
        Patches, (size, size, 3), uint8 RGB.
    """
    images = CameraNoiseDataset({'name': 'scenes', 'phase': 'val', 'camera': {'shot': 0, 'read': 0}})
    simulation = Simulation(PROFILES['phone'], iso=(800, 6400))
    rng = np.random.default_rng(0)
    for number in range(count):
        scene = (images[number % len(images)]['gt'].numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
        scale = size / min(scene.shape[:2])
        if scale > 1:
            scene = cv2.resize(scene, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
            scene = cv2.copyMakeBorder(scene, 0, 1, 0, 1, cv2.BORDER_REPLICATE)  # rounding may leave it one short
        top, left = (int(rng.integers(side - size + 1)) for side in scene.shape[:2])
        patch = np.ascontiguousarray(scene[top : top + size, left : left + size])
        yield simulation.exposure(str(number)).noisy(patch)


def write_patches(folder: Path, count: int, size: int) -> tuple[Path, Path]:
    """Write the same patches as a folder of PNG files and as an LMDB.

    Args:
        folder: Folder to write both into.
        count: How many.
        size: Side in pixels.

    Returns:
        The folder of PNG files, and the LMDB.
    """
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
    """Open a folder or LMDB as training does.

    Args:
        label: Its name in the table.
        root: Folder or LMDB.
        crop: Side of the crops.
        cache_mb: Megabytes to keep in memory.

    Returns:
        The source.

    Raises:
        ValueError: If the images cannot be used.
        FileNotFoundError: If there is no such folder.
    """
    opt = {'name': label, 'type': 'NoisyImageDataset', 'phase': 'train', 'dataroot_lq': str(root), 'crop_size': crop}
    return Source(label, NoisyImageDataset({**opt, 'cache_mb': cache_mb, 'check_images': False}))


def crops_per_second(dataset: NoisyImageDataset, workers: int, batch: int, crops: int) -> float:
    """Time a data loader that nothing waits for.

    The start of the workers and the first batches, which they prepare ahead, don't count.

    Args:
        dataset: Training dataset.
        workers: Processes that read; 0 reads in this one.
        batch: Crops in a batch.
        crops: Number of crops to time.

    Returns:
        Crops per second.
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
    """Measure what one image costs this process, however busy the machine is with others.

    Args:
        dataset: Training dataset that keeps no image in memory.
        images: How many are read, the first ones over and over; the median counts.

    Returns:
        Milliseconds to read and decode an image, and for all that leads to a crop, that included.
    """

    def median(read: Callable[[int], object]) -> float:
        times = []
        for number in range(images):
            start = time.process_time()
            read(number % len(dataset))
            times.append(time.process_time() - start)
        return statistics.median(times) * 1000

    return median(lambda index: dataset._decode(dataset.entries[index])), median(dataset.__getitem__)


def data_table(sources: Sequence[Source], args: argparse.Namespace) -> str:
    """Measure all sources with all numbers of workers.

    Args:
        sources: What to read from.
        args: Arguments of the sub-command.

    Returns:
        The table in Markdown and a sentence on how it was measured.
    """
    measurements: dict[Any, Measurement] = {}
    for source in sources:
        for workers in args.workers:
            measurements[source.label, workers] = lambda dataset=source.dataset, workers=workers: crops_per_second(
                dataset, workers, args.batch, args.crops
            )
    medians = median_of_rounds(measurements, args.rounds)
    head = '| patches per second | ' + ' | '.join(f'{n} worker{"s" * (n != 1)}' for n in args.workers) + ' |'
    rows = [
        f'| {source.label} | ' + ' | '.join(f'{medians[source.label, n]:,.0f}' for n in args.workers) + ' |'
        for source in sources
    ]
    images = len(sources[0].dataset)
    decoding, whole = processor_milliseconds(sources[0].dataset)
    sides = sources[0].dataset._decode(sources[0].dataset.entries[0]).shape[:2]
    return '\n'.join([head, '|---' * (len(args.workers) + 1) + '|', *rows]) + (
        f'\n\n{images} images of {sides[1]}×{sides[0]} (the first), crops of {args.crop}×{args.crop} in batches of '
        f'{args.batch}; median of {args.rounds} rounds of {args.crops} crops, {torch.get_num_threads()} thread(s) for '
        f'PyTorch, {os.cpu_count()} cores. 0 workers: read by the training process itself, between its steps. '
        f'Processor time of this process alone: {decoding:.1f} ms to read and decode one of the {sources[0].label}, '
        f'{max(whole - decoding, 0):.1f} ms to crop, turn and convert it.'
    )


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
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


def run_data(args: argparse.Namespace) -> str:
    """Measure the reading of training crops.

    Args:
        args: Arguments, see `add_data_arguments`.

    Returns:
        The table in Markdown.

    Raises:
        ValueError: For impossible values and unusable images.
        FileNotFoundError: If `dataroot` doesn't exist.
    """
    for name in ('count', 'size', 'crop', 'batch', 'crops', 'rounds'):
        if getattr(args, name) < 1:
            raise ValueError(f'--{name} must be at least 1, got {getattr(args, name)}')
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


#: Sub-commands: what declares their arguments, what runs them, what they measure.
COMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], str], str]] = {
    'data': (add_data_arguments, run_data, 'patches per second of folder, LMDB and memory'),
    'train': (training.add_arguments, training.run, 'a training step against the plain procedure'),
    'denoise': (denoising.add_arguments, denoising.run, 'denoising against the plain procedure'),
    'large': (large.add_arguments, large.run, 'denoising of whole images against the plain procedure'),
    'limit': (limit.add_arguments, limit.run, 'the share of the matrix rate that networks reach'),
    'scale': (scaling.add_arguments, scaling.run, 'how time grows with images, pixels, k, T and processes'),
    'plan': (plan.add_arguments, plan.run, 'a few steps by options files, and compute what all of them will take'),
}
#: Those with a page of their own.
ELSEWHERE = ('scale', 'plan')


def add_write_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--write`."""
    parser.add_argument('--write', type=Path, metavar='PAGE', help='put the table between the marks of this page')


def main(argv: Sequence[str] | None = None) -> None:
    """Run a sub-command, and print its table or write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True, metavar='WHAT')
    for name, (add_arguments, _, what) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f'Measure {what}.')
        add_arguments(command)
        add_write_argument(command)
    add_write_argument(commands.add_parser('all', help='all of these but scale and plan, with their defaults'))
    drawing = commands.add_parser('plot', help='the tables of a page as an image', description='Draw the tables.')
    drawing.add_argument('page', type=Path, help='page that `--write` has filled')
    drawing.add_argument('-o', '--output', type=Path, required=True, help='image to write')
    args = parser.parse_args(argv)
    try:
        if args.command == 'plot':
            plot.plot(args.page, args.output)
            return
        if args.write is not None and not args.write.is_file():
            raise ValueError(f'--write: there is no page {args.write}')
        every = [name for name in COMMANDS if name not in ELSEWHERE]
        for name in every if args.command == 'all' else [args.command]:
            text = COMMANDS[name][1](parser.parse_args([name]) if args.command == 'all' else args)
            if args.write is None:
                print(text)
            else:
                marks = f'<!-- measured by scripts/benchmark.py {name} -->', f'<!-- end of {name} -->'
                write_between_marks(args.write, *marks, text)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
