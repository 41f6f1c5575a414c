"""Whether crops and the refinements of the report fit the scheme."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.blocks.file import OUR_MODELS
from amsnet_basicsr.options.blocks.messages import Finding


def wrong_scheme(opt: Mapping[str, Any], clean: Callable[..., bool]) -> Iterator[Finding]:
    """Find crops and refinements that the scheme of one of our models cannot take."""
    kind, block = OUR_MODELS[opt['model_type']].section('scheme'), opt.get('scheme') or {}
    # What a refinement may be depends on the whole block.
    for refine in ((opt.get('report') or {}).get('refine') or []) if clean('scheme') else []:
        for finding in kind.problems({**block, 'refine': refine}, ('report',)):
            yield Finding(('report',), finding.sentence)
    dataset = opt['datasets'].get('train', {}) if opt['is_train'] else {}
    key = 'gt_size' if dataset.get('type') == 'PairedImageDataset' else 'crop_size'
    crop, stride = dataset.get(key), block.get('train_stride', kind.model_fields['train_stride'].default)
    if isinstance(crop, int) and crop % stride:
        near = max(crop // stride, 1) * stride
        said = f'{crop} is not divisible by scheme.train_stride {stride}; {near} is'
        yield Finding(('datasets', 'train', key), f'datasets.train.{key}: {said}')
