"""Validates a file by the models of its blocks: keys, types, bounds, and what a run needs."""

from collections.abc import Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.blocks.datasets import DATASETS, OUR_DATASETS, DatasetOptions
from amsnet_basicsr.options.blocks.file import OUR_MODELS, PATHS_SET_BY_BASICSR, SET_BY_BASICSR, options_of
from amsnet_basicsr.options.blocks.messages import EXPONENT, Finding, Key, named

#: Where a text that looks like 1e-4 is meant as text.
_FREE_TEXT = (
    'name', 'suffix', 'dataroot', 'scenes', 'param_key', 'pretrain', 'meta_info', 'filename', 'noisy', 'clean',
)  # fmt: skip
_HANDED_ON = ('path', 'logger', 'dist_params')
"""Groups whose keys become folders or arguments of other functions: unknown keys are problems, whatever the model."""


def check_file(opt: Mapping[str, Any]) -> tuple[list[Finding], list[str]]:
    """Validate options, however broken; return the problems, and notes on keys that only something else may read."""
    kind, is_train = options_of(opt.get('model_type')), opt['is_train']
    own = {key: value for key, value in opt.items() if key not in SET_BY_BASICSR}
    if isinstance(opt.get('path'), Mapping):
        own['path'] = {key: value for key, value in opt['path'].items() if key not in PATHS_SET_BY_BASICSR}
    found = [*kind.lacking(own, is_train), *kind.problems(own)]
    for name in ('train', 'val') if is_train else ():
        if isinstance(opt.get(name), Mapping):
            found += kind.section(name).lacking(opt[name], is_train, (name,))
    found += _datasets(opt)
    unread = sorted((one for one in found if one.unread and not _is_ours(one.key, opt)), key=lambda one: one.key)
    unread_by_ours = {one.key for one in OUR_MODELS['AMSNetModel'].problems(own) if one.unread} if unread else set()
    notes = []
    for one in unread:
        if one.key[0] == 'datasets' or one.key in unread_by_ours:
            notes.append(one.sentence)
        elif _value(opt, one.key):  # read by our models alone; off, it makes no difference
            readers = ' and '.join(OUR_MODELS)
            notes.append(f'{named(one.key)}: {opt["model_type"]} does not read it; {readers} do')
    return [one for one in found if one not in unread], notes + _same_names(opt)


def _value(options: Any, key: Key) -> Any:
    for step in key:
        options = options[step]
    return options


def _same_names(opt: Mapping[str, Any]) -> list[str]:
    datasets = opt.get('datasets')
    sets = datasets if isinstance(datasets, Mapping) else {}
    tested = [one for phase, one in sets.items() if isinstance(one, Mapping) and not str(phase).startswith('train')]
    names = [name for one in tested if isinstance(name := one.get('name'), str)]
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    return [f"datasets: two sets are called {name!r}; the images of one overwrite the other's" for name in twice]


def _datasets(opt: Mapping[str, Any]) -> Iterator[Finding]:
    datasets = opt.get('datasets')
    if not isinstance(datasets, Mapping):
        return
    is_train = opt['is_train']
    names = 'train, val, val_2' if is_train else 'test, test_2'
    for phase, dataset in datasets.items():
        where = ('datasets', str(phase))
        if not isinstance(dataset, Mapping):
            yield Finding(where, f'datasets.{phase} is no group of options')
            continue
        if str(phase).split('_')[0] not in (('train', 'val') if is_train else ('val', 'test')):
            yield Finding(where, f'datasets.{phase}: sets are called {names}, …')
        kind = dataset.get('type')
        known = DATASETS.get(kind) if isinstance(kind, str) else None
        found = (known or DatasetOptions).problems(dataset, where)
        # An unknown dataset may read anything.
        yield from (one for one in found if known or not one.unread or len(one.key) > 3)
        if phase == 'train':
            yield from (known or DatasetOptions).lacking(dataset, True, where)
        if kind == 'PairedImageDataset' and 'scale' not in opt:
            yield Finding(('scale',), f'scale is missing: datasets.{phase} (PairedImageDataset) needs scale: 1')
    if is_train and 'train' not in datasets:
        yield Finding(('datasets', 'train'), 'datasets: there is no train set')
    if not is_train and not datasets:
        yield Finding(('datasets',), 'datasets: there is no test set')


def _is_ours(key: Key, opt: Mapping[str, Any]) -> bool:
    """Tell whether an unknown key is certainly a mistake."""
    if key[0] == 'datasets':
        return 'io_backend' in key[2:-1] or opt['datasets'][key[1]].get('type') in OUR_DATASETS
    return (key[0] in _HANDED_ON and len(key) > 1) or opt.get('model_type') in OUR_MODELS


def text_numbers(value: Any, key: Key = ()) -> Iterator[Finding]:
    """Find numbers that YAML reads as text, at any depth: to PyYAML, 1e-4 is a string."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from text_numbers(item, (*key, str(name)))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            for finding in text_numbers(item, (*key[:-1], f'{key[-1] if key else ""}[{number}]')):
                yield Finding(key, finding.sentence)
    elif isinstance(value, str) and EXPONENT.match(value) and not any(key[-1].startswith(word) for word in _FREE_TEXT):
        yield Finding(key, f'{named(key)}: {value} is text to YAML; write !!float {value}')
