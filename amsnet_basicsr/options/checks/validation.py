"""Whether metrics and the choice of the best network have the images that they need."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.blocks.datasets import WITHOUT_TRUTH
from amsnet_basicsr.options.blocks.file import OUR_MODELS
from amsnet_basicsr.options.blocks.messages import Finding
from amsnet_basicsr.options.checks.build import registered

_HIDDEN_PIXELS = ('noisy', 'prediction')


def wrong_validation(opt: Mapping[str, Any], clean: Callable[..., bool]) -> Iterator[Finding]:
    """Find what would stop validation or a test."""
    val = opt['val']
    sets = {phase: dataset for phase, dataset in opt['datasets'].items() if phase.split('_')[0] in ('val', 'test')}
    if not val:
        return
    if opt['is_train'] and not sets and clean('datasets'):
        return  # nothing is validated; a note says so
    if not opt['is_train'] and opt.get('model_type') == 'SRModel' and val.get('save_img') and 'suffix' not in val:
        yield Finding(('val', 'suffix'), 'val.suffix is missing; SRModel needs it to save images; write suffix: ~')
    yield from _metrics_without_data(opt, sets, clean)
    if opt['is_train']:
        yield from _choice_of_the_best(val, sets, clean)


def _metrics_without_data(
    opt: Mapping[str, Any], sets: Mapping[str, Mapping[str, Any]], clean: Callable[..., bool]
) -> Iterator[Finding]:
    """Find metrics that lack the clean images, or the hidden pixels, that they compare with.

    Our own validation leaves a metric out on a set without clean images and says so: wrong is only a metric that no
    set can have. BasicSR's ends with an error at the first such image.
    """
    without = [phase for phase, dataset in sets.items() if dataset.get('type') in WITHOUT_TRUTH]
    for name, metric in (opt['val'].get('metrics') or {}).items():
        where = ('val', 'metrics', name)
        needed = needs(metric.get('type'))
        if not clean(*where) or not sets:
            continue
        if 'img2' in needed and opt.get('model_type') in OUR_MODELS and len(without) == len(sets):
            yield Finding(
                where,
                f'val.metrics.{name}: {metric["type"]} needs clean images, which no set has; '
                f'calculate_mask_l1 needs none',
            )
        elif opt.get('model_type') == 'SRModel':
            if 'img2' in needed and without:
                yield Finding(
                    where,
                    f'val.metrics.{name}: {metric["type"]} needs clean images, which datasets.{without[0]} lacks, '
                    f'and SRModel leaves no metric out; take the metric or the set out',
                )
            if needed & set(_HIDDEN_PIXELS):
                yield Finding(where, f'val.metrics.{name}: {metric["type"]} looks at hidden pixels; SRModel hides none')


def needs(metric: Any) -> set[str]:
    """Return which of clean image (`img2`) and hidden pixels (`noisy`, `prediction`) a metric needs."""
    from basicsr.utils.registry import METRIC_REGISTRY

    found = registered(METRIC_REGISTRY, metric) if isinstance(metric, str) else None
    parameters = inspect.signature(found).parameters if found is not None else {}
    return {
        name
        for name in ('img2', *_HIDDEN_PIXELS)
        if name in parameters and parameters[name].default is inspect.Parameter.empty
    }


def _choice_of_the_best(
    val: Mapping[str, Any], sets: Mapping[str, Mapping[str, Any]], clean: Callable[..., bool]
) -> Iterator[Finding]:
    metrics, choice = val.get('metrics') or {}, val.get('save_best')
    if not choice:
        return
    choice = choice if isinstance(choice, Mapping) else {'metric': choice}
    where = ('val', 'save_best')
    metric, judge = choice.get('metric'), choice.get('dataset')
    if not isinstance(metric, str) or metric not in metrics:
        if clean('val', 'metrics'):
            yield Finding(
                where, f'val.save_best: there is no metric {metric!r}; there are: {", ".join(metrics) or "none"}'
            )
        return
    names = {dataset.get('name'): dataset for dataset in sets.values()}
    if judge is not None and (not isinstance(judge, str) or judge not in names):
        if clean('datasets'):
            yield Finding(
                where, f'val.save_best: no val set is called {judge!r}; there are: {", ".join(map(str, names))}'
            )
        return
    judges = [names[judge]] if judge is not None else list(names.values())
    no_truth = judges and all(judged.get('type') in WITHOUT_TRUTH for judged in judges)
    if no_truth and 'img2' in needs(metrics[metric].get('type')) and clean('val', 'metrics', metric):
        lacking = f'the set {judge!r} lacks' if judge is not None else 'no val set has'
        yield Finding(
            where,
            f'val.save_best: {metric} needs clean images, which {lacking}; calculate_mask_l1 needs none',
        )
