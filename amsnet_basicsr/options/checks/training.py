"""Whether crops, schedule and logger fit what a run will do with them."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.blocks.file import MODELS, OUR_MODELS
from amsnet_basicsr.options.blocks.messages import Finding, group_in, wrong


def wrong_scheme(opt: Mapping[str, Any], clean: Callable[..., bool]) -> Iterator[Finding]:
    """Find crops and refinements that the scheme of one of our models cannot take."""
    if opt.get('model_type') not in OUR_MODELS:
        return
    kind, block = group_in(OUR_MODELS[opt['model_type']].model_fields['scheme'].annotation), opt.get('scheme') or {}
    assert kind is not None
    # What a refinement may be depends on the whole block.
    for refine in ((opt.get('report') or {}).get('refine') or []) if clean('scheme') else []:
        for finding in kind.problems({**block, 'refine': refine}, ('report',)):
            yield Finding(('report',), finding.sentence)
    dataset = opt['datasets'].get('train', {}) if opt['is_train'] else {}
    key = 'gt_size' if dataset.get('type') == 'PairedImageDataset' else 'crop_size'
    crop, stride = dataset.get(key), block.get('train_stride', kind.model_fields['train_stride'].default)
    if isinstance(crop, int) and crop % stride:
        near = max(crop // stride, 1) * stride
        yield wrong(f'{crop} is not divisible by scheme.train_stride {stride}; {near} is', 'datasets', 'train', key)


def wrong_training(opt: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a schedule that ends before training does, and a logger that cannot work."""
    scheduler, total_iter = opt['train'].get('scheduler'), opt['train'].get('total_iter')
    periods = scheduler.get('periods') if isinstance(scheduler, Mapping) and opt.get('model_type') in MODELS else None
    if periods and total_iter and sum(periods) < total_iter - 1:
        said = f'they end after {sum(periods)} of {total_iter} iterations, where BasicSR stops with an error'
        yield wrong(f'{said}; make them add up to total_iter', 'train', 'scheduler', 'periods')
    if not (opt['logger'].get('wandb') or {}).get('project') or 'debug' in opt.get('name', ''):
        return
    if opt['logger'].get('use_tb_logger') is False:
        yield wrong('BasicSR sends to it what TensorBoard gets; set logger.use_tb_logger: true', 'logger', 'wandb')
    if importlib.util.find_spec('wandb') is None:
        said = 'the package wandb is not installed; pip install wandb, or take the project out'
        yield wrong(said, 'logger', 'wandb')
