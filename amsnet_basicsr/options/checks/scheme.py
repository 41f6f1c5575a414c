"""Whether crops and the refinements of the report fit the scheme."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.blocks import APBSNOptions, SchemeOptions
from amsnet_basicsr.options.blocks.messages import Finding

_CROPS = {'PairedImageDataset': 'gt_size'}


def wrong_scheme(opt: Mapping[str, Any], clean: Callable[..., bool]) -> Iterator[Finding]:
    """Find crops, refinements and a scale that the scheme of one of our models cannot take."""
    kind = APBSNOptions if opt['model_type'] == 'APBSNModel' else SchemeOptions
    block = opt.get('scheme') or {}
    # What a refinement may be depends on the whole block.
    for refine in ((opt.get('report') or {}).get('refine') or []) if clean('scheme') else []:
        for finding in kind.problems({**block, 'refine': refine}, ('report',)):
            yield Finding(('report',), finding.sentence)
    yield from _wrong_crops(opt, block.get('train_stride', kind.model_fields['train_stride'].default))
    if opt.get('scale', 1) != 1:
        yield Finding(('scale',), f'scale must be 1, got {opt["scale"]}: {opt["model_type"]} keeps the size of images')


def _wrong_crops(opt: Mapping[str, Any], stride: int) -> Iterator[Finding]:
    dataset = opt['datasets'].get('train', {}) if opt['is_train'] else {}
    name = _CROPS.get(dataset.get('type', ''), 'crop_size')
    crop = dataset.get(name)
    if isinstance(crop, int) and crop % stride:
        near = max(crop // stride, 1) * stride
        yield Finding(
            ('datasets', 'train', name),
            f'datasets.train.{name}: {crop} is not divisible by scheme.train_stride {stride}; {near} is',
        )
