"""`benchmark.py plan`: what a training or test by an options file will take, from a few of its steps."""

import argparse
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from benchmarks.limit import matrix_rate
from benchmarks.measure import count_operations, median_seconds, require_positive
from benchmarks.memory import peak_of
from page import table

from amsnet_basicsr.options.settings import read_setting, split_setting


@dataclass(frozen=True)
class Cost:
    """What one step of training, or one image of a validation or test, costs here.

    Attributes:
        what: How the table calls it.
        count: How many there will be.
        operations: Of one, products and convolutions; three times the forward ones for a training step.
        seconds: Of one, median.
        memory: Bytes at the peak, weights and averages included; None if it isn't known.
    """

    what: str
    count: int
    operations: float
    seconds: float
    memory: int | None


def build(file: str) -> Any:
    """Build the model of an options file with random weights, without data and without a logger's file."""
    from amsnet_basicsr import plugin  # noqa: F401 (registers)

    from basicsr.models import build_model  # isort: skip

    opt = read_setting(*split_setting(file))
    opt['val'] = opt.get('val') or {}
    if opt.get('model_type') != 'AMSNetModel':
        raise ValueError(f'{file}: plan is for model_type: AMSNetModel, not {opt.get("model_type")}')
    if 'train' in opt:
        for block, *keys in (('datasets:train', 'crop_size', 'batch_size_per_gpu'), ('train', 'total_iter')):
            found = functools.reduce(lambda group, name: group.get(name) or {}, block.split(':'), opt)
            for key in keys:
                if key not in found:
                    raise ValueError(f'{file}: {block}:{key} is missing')
    opt |= {'is_train': 'train' in opt, 'dist': False, 'rank': 0, 'world_size': 1}
    opt |= {'num_gpu': int(torch.cuda.is_available()), 'path': {}}
    torch.manual_seed(0)
    return build_model(opt)


def crops(opt: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Draw a batch as the training set gives one."""
    dataset = opt['datasets']['train']
    size = dataset['crop_size']
    return {'lq': torch.rand(dataset['batch_size_per_gpu'], 3, size, size)}


def alone(file: str, side: int) -> Callable[[], int]:
    """Make a call that does two training steps or denoises an image, for `peak_of`."""
    model = build(file)
    model.feed_data(crops(model.opt) if model.opt['is_train'] else {'lq': torch.rand(1, 3, side, side)})
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.net_g.parameters())

    def run_it() -> int:
        if not model.opt['is_train']:
            model.test()
            return weights
        for number in (1, 2):
            model.optimize_parameters(number)
        return weights * (2 if hasattr(model, 'net_g_ema') else 1)

    return run_it


def _peak(file: str, side: int) -> int | None:
    grown, before = peak_of(alone, file, side)
    return None if grown is None else grown + before


def measure(file: str, rounds: int, images: int, side: int) -> list[Cost]:
    """Do a few steps of a training, or denoise an image of a test."""
    on_gpu = torch.cuda.is_available()
    # On a CPU first of all, so that a process of its own finds the memory free.
    memory = None if on_gpu else _peak(file, side)
    name, model = Path(split_setting(file)[0]).stem, build(file)
    opt, costs = model.opt, []
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    if opt['is_train']:
        model.feed_data(crops(opt))
        numbers = iter(range(1, rounds + 2))
        operations = 3 * count_operations(lambda: model.compute_losses(model.lq))
        seconds = median_seconds(lambda: model.optimize_parameters(next(numbers)), rounds)
        steps = int(opt['train']['total_iter'])
        memory = torch.cuda.max_memory_allocated() if on_gpu else memory
        costs.append(Cost(f'{name}: a step', steps, operations, seconds, memory))
        passes = steps // int(opt['val']['val_freq']) * images if opt['val'].get('val_freq') else 0
    else:
        passes = images
    if passes:
        model.feed_data({'lq': torch.rand(1, 3, side, side)})
        kinds = {metric.get('type') for metric in ((opt['val'] or {}).get('metrics') or {}).values()}
        tasks = [model.test, *([model.predict_hidden] if 'calculate_mask_l1' in kinds else [])]
        operations, seconds = sum(map(count_operations, tasks)), sum(median_seconds(task, 1) for task in tasks)
        if opt['is_train']:
            costs.append(Cost('an image of its validations', passes, operations, seconds, None))
        else:
            memory = torch.cuda.max_memory_allocated() if on_gpu else memory
            costs.append(Cost(f'{name}: an image', passes, operations, seconds, memory))
    return costs


def amount(operations: float) -> str:
    """Write a number of operations in 10¹²."""
    return f'{operations / 1e12:,.0f}' if operations >= 1e14 else f'{operations / 1e12:.3g}'


def duration(seconds: float) -> str:
    """Write a time with the unit that suits it."""
    for length, unit in ((86400.0, 'days'), (3600.0, 'h'), (60.0, 'min')):
        if seconds >= 2 * length:
            return f'{seconds / length:,.1f} {unit}' if seconds < 20 * length else f'{seconds / length:,.0f} {unit}'
    return f'{seconds:.2g} s' if seconds < 10 else f'{seconds:.0f} s'


def cost_table(costs: Sequence[Cost], rates: Sequence[float], share: float) -> str:
    """Write the costs as a table, with estimates for GPUs of `rates` that reach a `share` of theirs."""
    rows, sums = [], [0.0] * (2 + len(rates))
    for cost in costs:
        work, seconds = cost.operations * cost.count, cost.seconds * cost.count
        spent = [work, seconds, *(work / (rate * 1e12 * share) for rate in rates)]
        sums = [one + other for one, other in zip(sums, spent, strict=True)]
        memory = '' if cost.memory is None else f'{cost.memory / 2**30:.1f} GiB'
        times = map(duration, spent[1:])
        rows.append([cost.what, f'{cost.count:,}', amount(cost.operations), duration(cost.seconds), memory, *times])
    head = ['what', 'how many', '10¹² operations', 'time here', 'memory here', 'all of them here']
    total = ['**sum**', '', amount(sums[0]), '', '', *map(duration, sums[1:])]
    return table([*head, *(f'at {rate:g}·10¹²/s' for rate in rates)], [*rows, total])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `plan`."""
    parser.add_argument('options', nargs='+', metavar='OPTIONS', help='options files of AMSNetModel, in their order')
    parser.add_argument(
        '--images', type=int, default=1280, help='images of every validation and test: 1280, as of SIDD'
    )
    parser.add_argument('--side', type=int, default=256, help='their side in pixels: 256')
    parser.add_argument('--rounds', type=int, default=2, help='training steps timed: 2')
    parser.add_argument(
        '--rates',
        type=float,
        nargs='+',
        default=[20.0, 35.0, 80.0],
        metavar='RATE',
        help='without a GPU: estimate for GPUs of so many 10¹² operations a second in float32; default: 20 35 80',
    )


def run(args: argparse.Namespace) -> str:
    """Measure, and multiply."""
    require_positive(args, 'images', 'side', 'rounds')
    if min(args.rates) <= 0:
        raise ValueError(f'--rates must be positive, got {" ".join(map(str, args.rates))}')
    costs = [cost for file in args.options for cost in measure(file, args.rounds, args.images, args.side)]
    assumed = f'; {args.images:,} images of {args.side}×{args.side} in each validation and test'
    if torch.cuda.is_available():
        where = torch.cuda.get_device_name()
        return f'{cost_table(costs, (), 1)}\n\nMeasured on {where}, without reading and metrics{assumed}.'
    rate = matrix_rate()
    work, seconds = (sum(getattr(cost, of) * cost.count for cost in costs) for of in ('operations', 'seconds'))
    share = work / seconds / rate
    return cost_table(costs, args.rates, share) + (
        f'\n\nMedian of {args.rounds} steps and of one image, {torch.get_num_threads()} thread(s), without reading and '
        f'metrics{assumed}. All in all {share:.0%} of the matrix rate here ({rate / 1e9:.0f}·10⁹ operations per '
        'second), and the columns to the right assume that a GPU reaches the same share of its own.'
    )
