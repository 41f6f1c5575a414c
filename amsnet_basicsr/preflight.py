"""Reading the options before any work, so that a long run doesn't die of a typing error after an hour.

All problems are reported at once, each with the option's name and what to do. Only what belongs to this package is held
to its known keys; unknown keys of other models and datasets give a note.
"""

import copy
import dataclasses
import difflib
import inspect
import logging
import math
import os.path as osp
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from amsnet_basicsr.options import unknown_keys
from amsnet_basicsr.scheme import build_refinement

#: What BasicSR or this package reads at the top level.
TOP_LEVEL = frozenset(
    'plugin name model_type scale num_gpu manual_seed scheme datasets network_g path train val logger dist_params '
    'find_unused_parameters channels_last report'.split()
)
TRAIN = frozenset('ema_decay optim_g scheduler total_iter warmup_iter grad_clip_norm'.split())
#: The losses that our models read in `train`.
LOSSES = {'AMSNetModel': frozenset({'mask_opt', 'smooth_opt'}), 'APBSNModel': frozenset({'pixel_opt'})}
#: Those of BasicSR's model that trains students.
SR_LOSSES = {'SRModel': frozenset({'pixel_opt', 'perceptual_opt'})}
VAL = frozenset('val_freq save_img suffix pbar metrics strip save_best'.split())
LOGGER = frozenset('print_freq save_checkpoint_freq use_tb_logger wandb'.split())
PATH = frozenset('pretrain_network_g param_key_g strict_load_g resume_state ignore_resume_networks'.split())
#: What BasicSR writes into the options itself.
BASICSR_SETS = frozenset('root_path dist rank world_size auto_resume is_train'.split())
BASICSR_SETS_PATHS = frozenset('experiments_root models training_states log visualization results_root'.split())
#: Keys of BasicSR's own datasets for pairs and single images.
BASICSR_DATASET = frozenset(
    'name type phase scale dataroot_gt dataroot_lq meta_info_file io_backend filename_tmpl gt_size use_hflip use_rot '
    'color mean std num_worker_per_gpu batch_size_per_gpu dataset_enlarge_ratio prefetch_mode num_prefetch_queue '
    'pin_memory persistent_workers use_shuffle'.split()
)
SCHEDULERS = ('MultiStepLR', 'MultiStepRestartLR', 'CosineAnnealingRestartLR')
_EXPONENT = re.compile(r'^[+-]?\d+(\.\d*)?[eE][+-]?\d+$')


def check_raw(raw: Mapping[str, Any], is_train: bool) -> list[str]:
    """Look for what BasicSR's own reader would stumble over or silently overwrite.

    Args:
        raw: Options as they stand in the file.
        is_train: Whether they are to train or to test.

    Returns:
        Problems.
    """
    problems = [f'{key} is missing' for key in ('name', 'model_type', 'num_gpu', 'network_g') if raw.get(key) is None]
    for key in ('datasets', 'path', *(('train', 'logger') if is_train else ('val',))):
        if not isinstance(raw.get(key), Mapping):
            problems.append(f'{key} is missing, or no group of options')
    for phase, dataset in (raw['datasets'] if isinstance(raw.get('datasets'), Mapping) else {}).items():
        if not isinstance(dataset, Mapping):
            problems.append(f'datasets.{phase} is no group of options')
        elif str(phase).split('_')[0] not in (('train', 'val') if is_train else ('val', 'test')):
            problems.append(
                f'datasets.{phase}: sets are called {"train, val, val_2" if is_train else "test, test_2"}, …'
            )
    for key in sorted(BASICSR_SETS & set(raw)):
        problems.append(f'{key} is set by BasicSR itself; take it out')
    for key in sorted(BASICSR_SETS_PATHS & set(raw.get('path') or {})):
        problems.append(f'path.{key}: BasicSR chooses its folders itself; run the command where they shall be, instead')
    return problems


def check_options(opt: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Look for everything that would stop or spoil a run.

    Args:
        opt: Options as BasicSR parsed them. If a data loader would yield no batch or stop early, the training set's
            `dataset_enlarge_ratio` is raised in place.

    Returns:
        Problems, and notes on what was changed or looks odd.
    """
    problems: list[str] = [*_missing(opt), *_unregistered(opt), *_text_numbers(opt), *_paths(opt)]
    unknown, notes = _unknown(opt)
    problems += unknown
    if opt.get('model_type') in LOSSES:
        problems += _scheme(opt)
    if opt['is_train']:
        problems += _schedule(opt)
        problems += _validation(opt)
    if not problems:
        problems += _constructors(opt)
    if not problems:
        problems += _other_datasets(opt)
        if opt['is_train']:
            train_problems, changes = _reachable_iterations(opt)
            problems += train_problems
            notes += changes
    return problems, notes


def _missing(opt: Mapping[str, Any]) -> Iterator[str]:
    """Find options that BasicSR reads without asking whether they are there."""
    wanted = {}
    if opt['is_train']:
        wanted['logger'] = ('print_freq', 'save_checkpoint_freq', 'use_tb_logger')
        wanted['train'] = ('total_iter', 'optim_g', 'scheduler')
        loss = {'AMSNetModel': ('mask_opt',), 'APBSNModel': ('pixel_opt',)}.get(opt['model_type'], ())
        wanted['train'] += loss
        if opt.get('val'):
            wanted['val'] = ('val_freq', 'save_img')
        train_set = opt['datasets'].get('train')
        if train_set is None:
            yield 'datasets: there is no train set'
        for key in ('batch_size_per_gpu', 'num_worker_per_gpu'):
            if train_set is not None and train_set.get(key) is None:
                yield f'datasets.train.{key} is missing'
    else:
        wanted['val'] = ('save_img',)
    for section, keys in wanted.items():
        for key in keys:
            if (opt.get(section) or {}).get(key) is None:
                yield f'{section}.{key} is missing'
    judged = [dataset.get('name') for phase, dataset in opt['datasets'].items() if phase != 'train']
    for phase, dataset in opt['datasets'].items():
        if not dataset.get('name'):
            yield f'datasets.{phase}.name is missing'
        elif phase != 'train' and judged.count(dataset['name']) > 1:
            yield f'datasets.{phase}.name: another set is called {dataset["name"]!r} too'
        if dataset.get('type') == 'PairedImageDataset' and 'scale' not in opt:
            yield f'scale is missing: datasets.{phase} (PairedImageDataset) needs scale: 1'
            break


def _unregistered(opt: Mapping[str, Any]) -> Iterator[str]:
    """Find types that no registry knows."""
    from basicsr.utils import registry

    wanted = [('model_type', opt.get('model_type'), registry.MODEL_REGISTRY, 'model')]
    wanted.append(('network_g', (opt.get('network_g') or {}).get('type'), registry.ARCH_REGISTRY, 'network'))
    for phase, dataset in (opt.get('datasets') or {}).items():
        wanted.append((f'datasets.{phase}', dataset.get('type'), registry.DATASET_REGISTRY, 'dataset'))
    for key, loss in (opt.get('train') or {}).items():
        if key in ('mask_opt', 'smooth_opt', 'pixel_opt') and isinstance(loss, Mapping):
            wanted.append((f'train.{key}', loss.get('type'), registry.LOSS_REGISTRY, 'loss'))
    for name, metric in ((opt.get('val') or {}).get('metrics') or {}).items():
        wanted.append((f'val.metrics.{name}', metric.get('type'), registry.METRIC_REGISTRY, 'metric'))
    for where, name, names, kind in wanted:
        if name is None and where not in ('model_type', 'network_g'):
            yield f'{where}: type is missing'
        elif name is not None and name not in names and f'{name}_basicsr' not in names:
            near = difflib.get_close_matches(str(name), list(names.keys()), n=1)
            yield f'{where}: there is no {kind} {name!r}' + (f'; did you mean {near[0]!r}?' if near else '')


def _unknown(opt: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Find keys that nothing reads: problems in what is ours, notes in what is BasicSR's."""
    model = opt.get('model_type')
    losses = (LOSSES | SR_LOSSES).get(model, frozenset())
    found = unknown_keys({key: 0 for key in opt if key not in BASICSR_SETS}, TOP_LEVEL, 'the options file')
    for section, known in (('train', TRAIN | losses), ('val', VAL), ('logger', LOGGER), ('path', PATH)):
        if isinstance(opt.get(section), Mapping):
            keys = {key: 0 for key in opt[section] if section != 'path' or key not in BASICSR_SETS_PATHS}
            found += unknown_keys(keys, known, section)
    notes = []
    for phase, dataset in opt['datasets'].items():
        if dataset.get('type') in ('PairedImageDataset', 'SingleImageDataset'):
            notes += unknown_keys(dataset, BASICSR_DATASET, f'datasets.{phase}')
    # Another model may well read what neither BasicSR's nor ours does.
    return (found, notes) if model in LOSSES else ([], found + notes)


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
    from amsnet_basicsr.models.scheme_options import APBSNOptions, SchemeOptions

    try:
        scheme_options = APBSNOptions if opt['model_type'] == 'APBSNModel' else SchemeOptions
        scheme = scheme_options.from_options(opt.get('scheme'))
    except ValueError as error:
        yield str(error)
        return
    for refine in (opt.get('report') or {}).get('refine') or []:
        try:
            dataclasses.replace(scheme, refine=build_refinement(refine))
        except ValueError as error:
            yield f'report: {error}'
    crop = opt['datasets'].get('train', {}).get('crop_size')
    if opt['is_train'] and isinstance(crop, int) and crop % scheme.train_stride:
        near = max(crop // scheme.train_stride, 1) * scheme.train_stride
        yield (
            f'datasets.train.crop_size: {crop} is not divisible by scheme.train_stride {scheme.train_stride}; {near} is'
        )


def _schedule(opt: Mapping[str, Any]) -> Iterator[str]:
    train = opt.get('train') or {}
    total_iter, scheduler, optimizer = (train.get(key) for key in ('total_iter', 'scheduler', 'optim_g'))
    if total_iter is not None and (isinstance(total_iter, (str, bool)) or total_iter < 1):
        yield f'train.total_iter must be a number of iterations, got {total_iter!r}'
        return
    if isinstance(scheduler, Mapping):
        if scheduler.get('type') not in SCHEDULERS:
            yield f'train.scheduler: type must be one of {", ".join(SCHEDULERS)}, got {scheduler.get("type")!r}'
        periods = scheduler.get('periods')
        if periods and total_iter and sum(periods) < total_iter - 1:
            yield (
                f'train.scheduler.periods: they end after {sum(periods)} of {total_iter} iterations, where BasicSR '
                f'stops with an error; make them add up to total_iter'
            )
    if isinstance(optimizer, Mapping):
        import torch

        if not isinstance(getattr(torch.optim, str(optimizer.get('type')), None), type):
            yield f'train.optim_g: torch.optim has no optimizer {optimizer.get("type")!r}'
        if 'lr' not in optimizer:
            yield 'train.optim_g.lr is missing'


def _validation(opt: Mapping[str, Any]) -> Iterator[str]:
    val = opt.get('val')
    if not val:
        return
    sets = {dataset.get('name'): dataset for phase, dataset in opt['datasets'].items() if phase.split('_')[0] == 'val'}
    if not sets:
        yield 'val is given, but datasets has no val set'
    metrics = val.get('metrics') or {}
    choice = val.get('save_best')
    if not choice:
        return
    choice = choice if isinstance(choice, Mapping) else {'metric': choice}
    yield from unknown_keys(choice, ('metric', 'dataset'), 'val.save_best')
    metric, judge = choice.get('metric'), choice.get('dataset')
    if metric not in metrics:
        yield f'val.save_best: there is no metric {metric!r}; there are: {", ".join(metrics) or "none"}'
        return
    if judge is not None and judge not in sets:
        yield f'val.save_best: no val set is called {judge!r}; there are: {", ".join(map(str, sets))}'
        return
    judges = [sets[judge]] if judge is not None else list(sets.values())
    needs_clean = metrics[metric].get('type') in ('calculate_psnr', 'calculate_ssim', 'calculate_ssim_uniform')
    if needs_clean and all(judged.get('type') in ('NoisyImageDataset', 'SingleImageDataset') for judged in judges):
        yield f'val.save_best: {metric} needs clean pictures, which no val set has; calculate_mask_l1 needs none'


def _constructors(opt: Mapping[str, Any]) -> Iterator[str]:
    """Find arguments that networks, losses and metrics don't take, or miss."""
    from basicsr.utils import registry

    groups: list[tuple[str, Mapping[str, Any], Any]] = [('network_g', opt['network_g'], registry.ARCH_REGISTRY)]
    for key in ('mask_opt', 'smooth_opt', 'pixel_opt'):
        if (opt.get('train') or {}).get(key):
            groups.append((f'train.{key}', opt['train'][key], registry.LOSS_REGISTRY))
    for where, settings, names in groups:
        arguments = {key: value for key, value in settings.items() if key != 'type'}
        try:
            _signature(names, settings['type']).bind(**arguments)
        except TypeError as error:
            yield f'{where}: {settings["type"]} {error}'
    for name, settings in ((opt.get('val') or {}).get('metrics') or {}).items():
        data = dict.fromkeys(('img', 'img2', 'noisy', 'prediction'))
        arguments = {key: value for key, value in settings.items() if key not in ('type', 'better')}
        try:
            _signature(registry.METRIC_REGISTRY, settings['type']).bind(**{**data, **arguments})
        except TypeError as error:
            yield f'val.metrics.{name}: {settings["type"]} {error}'


def _signature(names: Any, name: str) -> inspect.Signature:
    found: Callable[..., Any] = names.get(name if name in names else f'{name}_basicsr')
    return inspect.signature(found)


def _other_datasets(opt: Mapping[str, Any]) -> Iterator[str]:
    """Build the validation and test sets, without reading their images."""
    for phase, dataset_opt in opt['datasets'].items():
        if phase != 'train':
            try:
                count = _count_images(dataset_opt)
            except Exception as error:  # whatever a dataset finds wrong with its options
                yield f'datasets.{phase}: {error}'
                continue
            if not count:
                yield f'datasets.{phase}: it holds no image'


def _reachable_iterations(opt: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Make sure that the loader yields enough batches.

    BasicSR counts the batches of an epoch rounding up, while its loader drops the last incomplete one: with few images
    the run ends early, or without a single iteration, and says "End of training". With several GPUs and no launcher it
    counts the batches of one GPU, too.
    """
    dataset_opt = opt['datasets']['train']
    try:
        images = _count_images(dataset_opt)
    except Exception as error:  # whatever a dataset finds wrong with its options
        return [f'datasets.train: {error}'], []
    processes = opt.get('world_size', 1)
    loader_batch = dataset_opt['batch_size_per_gpu'] * (1 if opt.get('dist') else max(1, opt['num_gpu']))
    counted_batch = dataset_opt['batch_size_per_gpu'] * processes
    total_iter = opt['train']['total_iter']

    def reached(ratio: float) -> int:
        batches = math.ceil(images * ratio / processes) // loader_batch
        epochs = math.ceil(total_iter / math.ceil(images * ratio / counted_batch)) + 1
        return batches * epochs

    ratio = dataset_opt.get('dataset_enlarge_ratio', 1)
    if reached(ratio) >= total_iter:
        return [], []
    enough = math.ceil(ratio)
    while reached(enough) < total_iter:  # ends: one epoch of all iterations is enough
        enough += max(1, enough // 8)
    dataset_opt['dataset_enlarge_ratio'] = enough
    return [], [
        f'datasets.train.dataset_enlarge_ratio raised from {ratio} to {enough}: with {images} images in batches of '
        f'{loader_batch} the run would have ended after {reached(ratio)} of {total_iter} iterations'
    ]


def _count_images(dataset_opt: Mapping[str, Any]) -> int:
    """Build a set as BasicSR will, but without reading every image.

    A dataset may log, and BasicSR's logger never writes to a file if it was used before BasicSR sets that up: so it is
    put back as it was.
    """
    from basicsr.utils.logger import initialized_logger
    from basicsr.utils.registry import DATASET_REGISTRY

    dataset_opt = copy.deepcopy(dict(dataset_opt))
    if dataset_opt['type'] == 'NoisyImageDataset':
        # Which images would be skipped must be known, to count the rest.
        dataset_opt.update(check_images=dataset_opt.get('on_bad_image') == 'skip', cache_mb=0)
    elif dataset_opt['type'] == 'CameraNoiseDataset':
        dataset_opt['cache_mb'] = 0  # counting needs no noise
    logger, known = logging.getLogger('basicsr'), set(initialized_logger)
    handlers = list(logger.handlers)
    try:
        return len(DATASET_REGISTRY.get(dataset_opt['type'])(dataset_opt))
    finally:
        for name in set(initialized_logger) - known:
            del initialized_logger[name]
        logger.handlers[:] = handlers
