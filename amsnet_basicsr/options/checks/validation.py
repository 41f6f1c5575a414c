"""Whether metrics and the choice of the best network have the images that they need."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.blocks.datasets import WITHOUT_TRUTH
from amsnet_basicsr.options.blocks.file import OUR_MODELS
from amsnet_basicsr.options.blocks.messages import Finding, wrong
from amsnet_basicsr.options.checks.build import registered

Sets = Mapping[str, Mapping[str, Any]]


def wrong_validation(opt: Mapping[str, Any], clean: Callable[..., bool]) -> Iterator[Finding]:
    """Find what would stop validation or a test."""
    val = opt['val']
    sets = {phase: dataset for phase, dataset in opt['datasets'].items() if phase.split('_')[0] in ('val', 'test')}
    if not val or (opt['is_train'] and not sets and clean('datasets')):
        return  # nothing is validated; a note says so
    metrics = {name: metric for name, metric in (val.get('metrics') or {}).items() if clean('val', 'metrics', name)}
    for name, metric in metrics.items() if sets else ():
        if said := _lacking(metric['type'], opt.get('model_type'), sets):
            yield wrong(f'{metric["type"]} {said}', 'val', 'metrics', name)
    chosen = opt['is_train'] and opt.get('model_type') in OUR_MODELS and val.get('save_best')
    if chosen and (said := _wrong_judge(val, sets, clean)):
        yield wrong(said, 'val', 'save_best')


def _lacking(metric: str, model: Any, sets: Sets) -> str | None:
    """Say which images a metric lacks that it compares with.

    Our validation, which is that of SRModel too, leaves a metric out on a set without clean images and says so: wrong
    is only a metric that no set can have.
    """
    needed = _needs(metric)
    if 'img2' in needed and model in (*OUR_MODELS, 'SRModel') and len(_without_truth(sets)) == len(sets):
        instead = 'take the metric out' if model == 'SRModel' else 'calculate_mask_l1 needs none'
        return f'needs clean images, which no set has; {instead}'
    if 'prediction' in needed and model == 'SRModel':
        return 'looks at hidden pixels; SRModel hides none'
    return None


def _without_truth(sets: Sets) -> list[str]:
    return [phase for phase, dataset in sets.items() if dataset.get('type') in WITHOUT_TRUTH]


def _needs(metric: Any) -> set[str]:
    """Return the names of a metric's required parameters: `img2` is the clean image, `noisy` has hidden pixels."""
    from basicsr.utils.registry import METRIC_REGISTRY

    found = registered(METRIC_REGISTRY, metric) if isinstance(metric, str) else None
    parameters = inspect.signature(found).parameters.values() if found is not None else ()
    return {parameter.name for parameter in parameters if parameter.default is parameter.empty}


def _wrong_judge(val: Mapping[str, Any], sets: Sets, clean: Callable[..., bool]) -> str | None:
    """Say why the best network cannot be chosen as `save_best` says."""
    metrics, choice = val.get('metrics') or {}, val['save_best']
    choice = choice if isinstance(choice, Mapping) else {'metric': choice}
    metric, judge = choice.get('metric'), choice.get('dataset')
    if metric not in metrics:
        known = ', '.join(metrics) or 'none'
        return f'there is no metric {metric!r}; there are: {known}' if clean('val', 'metrics') else None
    judges = {phase: one for phase, one in sets.items() if judge in (None, one.get('name'))}
    if judge is not None and not judges:
        known = ', '.join(str(one.get('name')) for one in sets.values())
        return f'no val set is called {judge!r}; there are: {known}' if clean('datasets') else None
    # A metric that no set has is found above.
    without = judge is not None and len(_without_truth(judges)) == len(judges) and clean('val', 'metrics', metric)
    if without and 'img2' in _needs(metrics[metric].get('type')):
        return f'{metric} needs clean images, which the set {judge!r} lacks; calculate_mask_l1 needs none'
    return None
