"""Checking the `scheme` and `report` blocks, and that crops fit the strides."""

from collections.abc import Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.checks.findings import Finding
from amsnet_basicsr.options.checks.types import shown
from amsnet_basicsr.options.reader import unknown_keys
from amsnet_basicsr.options.schema import APBSNOptions, CommonOptions, SchemeOptions

_CROPS = {'PairedImageDataset': 'gt_size'}


def wrong_scheme(opt: Mapping[str, Any]) -> Iterator[Finding]:
    """Find what is wrong with the scheme of one of our models.

    Args:
        opt: Options, of right types; `model_type` is one of ours.

    Yields:
        What is wrong.
    """
    kind = APBSNOptions if opt['model_type'] == 'APBSNModel' else SchemeOptions
    block = opt.get('scheme') or {}
    found = kind.problems(block, ('scheme',))
    yield from found
    wrong = {key[1] for key, *_ in found if len(key) > 1}
    good = {key: value for key, value in block.items() if key not in wrong}
    if not found:  # what a refinement may be depends on the whole block
        yield from _wrong_report(opt.get('report') or {}, kind, block)
    stride = good.get('train_stride', kind.model_fields['train_stride'].default)
    yield from _wrong_crops(opt, stride)
    if opt.get('scale', 1) != 1:
        yield ('scale',), f'scale must be 1, got {opt["scale"]}: {opt["model_type"]} returns images in their size'


def _wrong_report(report: Mapping[str, Any], kind: type[CommonOptions], block: Mapping[str, Any]) -> Iterator[Finding]:
    where = ('report',)
    for said in unknown_keys(report, ['refine'], 'report'):
        yield where, said
    refinements = report.get('refine') or []
    if not isinstance(refinements, (list, tuple)):
        yield where, f'report.refine must be a list, such as [~, {{type: R3}}], got {shown(refinements)}'
        return
    for refine in refinements:
        for finding in kind.problems({**block, 'refine': refine}, ('report',)):
            yield where, finding.sentence


def _wrong_crops(opt: Mapping[str, Any], stride: int) -> Iterator[Finding]:
    dataset = opt['datasets'].get('train', {}) if opt['is_train'] else {}
    name = _CROPS.get(dataset.get('type'), 'crop_size')
    crop = dataset.get(name)
    if isinstance(crop, int) and crop % stride:
        near = max(crop // stride, 1) * stride
        yield (
            ('datasets', 'train', name),
            f'datasets.train.{name}: {crop} is not divisible by scheme.train_stride {stride}; {near} is',
        )
