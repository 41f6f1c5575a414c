"""Reading the options before any work, so that a long run doesn't die of a typing error after an hour.

All problems are reported at once, each with the option's name and what to do. Only what belongs to this package is held
to its known keys; options of other models, datasets and losses are left to them.
"""

import copy
import math
import os.path as osp
import re
from collections.abc import Iterator, Mapping
from typing import Any

from amsnet_basicsr.options import unknown_keys
from amsnet_basicsr.scheme import build_refinement

#: What BasicSR or this package reads at the top level.
TOP_LEVEL = frozenset(
    'plugin name model_type scale num_gpu manual_seed scheme datasets network_g path train val logger dist_params '
    'find_unused_parameters channels_last report root_path dist rank world_size auto_resume is_train'.split()
)
TRAIN = frozenset('ema_decay optim_g scheduler total_iter warmup_iter mask_opt smooth_opt grad_clip_norm'.split())
VAL = frozenset('val_freq save_img suffix pbar metrics strip save_best'.split())
LOGGER = frozenset('print_freq save_checkpoint_freq use_tb_logger wandb'.split())
PATH = frozenset(
    'pretrain_network_g param_key_g strict_load_g resume_state ignore_resume_networks '
    'experiments_root models training_states log visualization results_root'.split()
)
_EXPONENT = re.compile(r'^[+-]?\d+(\.\d*)?[eE][+-]?\d+$')


def check_options(opt: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Look for everything that would stop or spoil a run.

    Args:
        opt: Options as BasicSR parsed them. If a data loader would yield no batch or stop early, the training set's
            `dataset_enlarge_ratio` is raised in place.

    Returns:
        Problems, and notes on what was changed.
    """
    problems: list[str] = []
    notes: list[str] = []
    problems += _required(opt)
    problems += _unknown(opt)
    problems += _text_numbers(opt)
    problems += _paths(opt)
    if problems:
        return problems, notes  # what follows needs options of the right shape
    if opt['model_type'] == 'AMSNetModel':
        problems += _scheme(opt)
    if opt['is_train']:
        problems += _schedule(opt)
        problems += _validation(opt)
        if not problems:
            train_problems, notes = _reachable_iterations(opt)
            problems += train_problems
    return problems, notes


def _required(opt: Mapping[str, Any]) -> Iterator[str]:
    for key in ('name', 'model_type', 'num_gpu', 'datasets', 'network_g', 'path'):
        if opt.get(key) is None:
            yield f'{key} is missing'
    if opt.get('is_train'):
        for key in ('train', 'logger'):
            if not isinstance(opt.get(key), Mapping):
                yield f'{key} is missing'
        if not any(phase == 'train' for phase in opt.get('datasets') or {}):
            yield 'datasets: there is no train set'
    elif not isinstance(opt.get('val'), Mapping):
        yield 'val is missing: testing needs at least val: {save_img: false}'


def _unknown(opt: Mapping[str, Any]) -> list[str]:
    if opt.get('model_type') != 'AMSNetModel':
        return []
    problems = unknown_keys(opt, TOP_LEVEL, 'the options file')
    for section, known in (('train', TRAIN), ('val', VAL), ('logger', LOGGER), ('path', PATH)):
        if isinstance(opt.get(section), Mapping):
            problems += unknown_keys(opt[section], known, section)
    return problems


def _text_numbers(value: Any, where: str = '') -> list[str]:
    """Find numbers that YAML reads as text: PyYAML takes 1e-4 for a string."""
    if isinstance(value, Mapping):
        return [p for key, item in value.items() for p in _text_numbers(item, f'{where}.{key}' if where else str(key))]
    if isinstance(value, list):
        return [p for number, item in enumerate(value) for p in _text_numbers(item, f'{where}[{number}]')]
    if isinstance(value, str) and _EXPONENT.match(value):
        return [f'{where}: {value} is text to YAML; write !!float {value}']
    return []


def _paths(opt: Mapping[str, Any]) -> Iterator[str]:
    for phase, dataset in (opt.get('datasets') or {}).items():
        for key in ('dataroot_lq', 'dataroot_gt', 'dataroots', 'meta_info_file'):
            value = dataset.get(key)
            for path in value if isinstance(value, list) else [value]:
                if path and not osp.exists(osp.expanduser(path)):
                    yield f'datasets.{phase}.{key}: there is no {path}'
    for key in ('pretrain_network_g', 'resume_state'):
        path = (opt.get('path') or {}).get(key)
        if path and not osp.isfile(osp.expanduser(path)):
            yield f'path.{key}: there is no file {path}'


def _scheme(opt: Mapping[str, Any]) -> Iterator[str]:
    from amsnet_basicsr.models.scheme_options import SchemeOptions

    try:
        scheme = SchemeOptions.from_options(opt.get('scheme'))
    except ValueError as error:
        yield str(error)
        return
    for refine in (opt.get('report') or {}).get('refine') or []:
        try:
            build_refinement(refine)
        except ValueError as error:
            yield f'report: {error}'
    crop = opt['datasets'].get('train', {}).get('crop_size')
    if opt['is_train'] and crop and crop % scheme.train_stride:
        near = max(crop // scheme.train_stride, 1) * scheme.train_stride
        yield (
            f'datasets.train.crop_size: {crop} is not divisible by scheme.train_stride {scheme.train_stride}; {near} is'
        )


def _schedule(opt: Mapping[str, Any]) -> Iterator[str]:
    train = opt['train']
    for key in ('total_iter', 'optim_g', 'scheduler'):
        if not train.get(key):
            yield f'train.{key} is missing'
            return
    periods = train['scheduler'].get('periods')
    if periods and sum(periods) < train['total_iter'] - 1:
        yield (
            f'train.scheduler.periods: they end after {sum(periods)} of {train["total_iter"]} iterations, where '
            f'BasicSR stops with an error; make them add up to total_iter'
        )


def _validation(opt: Mapping[str, Any]) -> Iterator[str]:
    val = opt.get('val')
    if not val:
        return
    if not any(phase.split('_')[0] == 'val' for phase in opt['datasets']):
        yield 'val is given, but datasets has no val set'
    metrics = val.get('metrics') or {}
    choice = val.get('save_best')
    metric = choice.get('metric') if isinstance(choice, Mapping) else choice
    if metric and metric not in metrics:
        yield f'val.save_best: there is no metric {metric!r}; there are: {", ".join(metrics) or "none"}'


def _reachable_iterations(opt: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Make sure that the loader yields enough batches.

    BasicSR counts the batches of an epoch rounding up, while its loader drops the last incomplete one: with few images
    the run ends early, or without a single iteration, and says "End of training".
    """
    dataset_opt = opt['datasets']['train']
    try:
        images = _count_images(dataset_opt)
    except (ValueError, FileNotFoundError) as error:
        return [f'datasets.train: {error}'], []
    processes = opt.get('world_size', 1)
    loader_batch = dataset_opt['batch_size_per_gpu'] * (1 if opt.get('dist') else max(1, opt['num_gpu']))
    counted_batch = dataset_opt['batch_size_per_gpu'] * processes
    total_iter = opt['train']['total_iter']

    def reached(ratio: int) -> int:
        batches = math.ceil(images * ratio / processes) // loader_batch
        epochs = math.ceil(total_iter / math.ceil(images * ratio / counted_batch)) + 1
        return batches * epochs

    ratio = dataset_opt.get('dataset_enlarge_ratio', 1)
    if reached(ratio) >= total_iter:
        return [], []
    # An epoch of one batch per image and process is always enough: nothing incomplete is left to drop.
    enough = next(r for r in range(ratio, ratio + loader_batch * processes + 1) if reached(r) >= total_iter)
    dataset_opt['dataset_enlarge_ratio'] = enough
    return [], [
        f'datasets.train.dataset_enlarge_ratio raised from {ratio} to {enough}: with {images} images in batches of '
        f'{loader_batch} the run would have ended after {reached(ratio)} of {total_iter} iterations'
    ]


def _count_images(dataset_opt: Mapping[str, Any]) -> int:
    """Build the training set as BasicSR will, but without reading every image.

    The registry is used directly: BasicSR's `build_dataset` logs, and a logger used before BasicSR sets up its log file
    never writes to it.
    """
    from basicsr.utils.registry import DATASET_REGISTRY

    dataset_opt = copy.deepcopy(dict(dataset_opt))
    if dataset_opt['type'] not in DATASET_REGISTRY:
        raise ValueError(f'there is no dataset type {dataset_opt["type"]!r}')
    if dataset_opt['type'] == 'NoisyImageDataset':
        dataset_opt.update(check_images=False, cache_mb=0)
    return len(DATASET_REGISTRY.get(dataset_opt['type'])(dataset_opt))
