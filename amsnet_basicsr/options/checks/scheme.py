"""Checking the `scheme` and `report` blocks, and that crops fit the strides."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.checks.findings import Finding
from amsnet_basicsr.options.checks.types import shown
from amsnet_basicsr.options.reader import unknown_keys
from amsnet_basicsr.scheme import build_refinement

_CROPS = {'PairedImageDataset': 'gt_size'}


def wrong_scheme(opt: Mapping[str, Any]) -> Iterator[Finding]:
    """Find what is wrong with the scheme of one of our models.

    Args:
        opt: Options, of right types; `model_type` is one of ours.

    Yields:
        What is wrong.
    """
    from amsnet_basicsr.models.scheme_options import APBSNOptions, SchemeOptions

    kind = APBSNOptions if opt['model_type'] == 'APBSNModel' else SchemeOptions
    block = opt.get('scheme') or {}
    known = [field.name for field in dataclasses.fields(kind)]
    problems = unknown_keys(block, known, 'scheme')
    good = {}
    for key in (key for key in block if key in known):
        try:  # one at a time, so that all are told
            kind.from_options({key: block[key]})
            good[key] = block[key]
        except (ValueError, TypeError) as error:
            problems.append(str(error) if isinstance(error, ValueError) else f'scheme: {key}: {error}')
    yield from ((('scheme',), said) for said in problems)
    scheme = kind.from_options(good)
    if not problems:  # what a refinement may be depends on the whole block
        yield from _wrong_report(opt.get('report') or {}, scheme)
    yield from _wrong_crops(opt, scheme.train_stride)
    if opt.get('scale', 1) != 1:
        yield ('scale',), f'scale must be 1, got {opt["scale"]}: {opt["model_type"]} returns pictures in their size'


def _wrong_report(report: Mapping[str, Any], scheme: Any) -> Iterator[Finding]:
    where = ('report',)
    for said in unknown_keys(report, ['refine'], 'report'):
        yield where, said
    refinements = report.get('refine') or []
    if not isinstance(refinements, (list, tuple)):
        yield where, f'report.refine must be a list, such as [~, {{type: R3}}], got {shown(refinements)}'
        return
    for refine in refinements:
        try:
            dataclasses.replace(scheme, refine=build_refinement(refine))
        except (ValueError, TypeError) as error:
            yield where, f'report: {error}'


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
