"""Validates a file by the models of its blocks: keys, types, bounds, and what a run needs."""

import os
import os.path as osp
from collections.abc import Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.blocks.file import OUR_MODELS, PATHS_SET_BY_BASICSR, SET_BY_BASICSR, options_of
from amsnet_basicsr.options.blocks.messages import EXPONENT, Finding, Key, named, wrong

#: Where a text that looks like 1e-4 is meant as text.
_FREE_TEXT = (
    'name', 'suffix', 'dataroot', 'scenes', 'param_key', 'pretrain', 'meta_info', 'filename', 'noisy', 'clean',
)  # fmt: skip


def check_file(opt: Mapping[str, Any]) -> tuple[list[Finding], list[str]]:
    """Validate options, however broken; return the problems, and notes on keys that only something else may read."""
    kind, is_train = options_of(opt.get('model_type')), opt['is_train']
    own = {key: value for key, value in opt.items() if key not in SET_BY_BASICSR}
    if isinstance(opt.get('path'), Mapping):
        own['path'] = {key: value for key, value in opt['path'].items() if key not in PATHS_SET_BY_BASICSR}
    lacking = [one for key, block, group in kind.groups(own) for one in block.lacking(group, is_train, key)]
    found = [*lacking, *kind.problems(own)]
    noted = sorted(one for one in found if one.tolerated)
    unread_by_ours = {one.key for one in OUR_MODELS['AMSNetModel'].problems(own) if one.unread} if noted else set()
    notes = []
    for one in noted:
        if one.key[0] == 'datasets' or one.key in unread_by_ours:
            notes.append(one.sentence)
        elif _value(opt, one.key):  # read by our models alone; off, it makes no difference
            notes.append(
                wrong(f'{opt["model_type"]} does not read it; {" and ".join(OUR_MODELS)} do', *one.key).sentence
            )
    sets = opt['datasets'] if isinstance(opt.get('datasets'), Mapping) else None
    if sets is not None:
        found += _wrong_sets(sets, is_train, 'scale' in opt)
        notes += _same_names(sets)
    return [one for one in found if not one.tolerated], notes


def _value(options: Any, key: Key) -> Any:
    for step in key:
        options = options[step]
    return options


def _same_names(sets: Mapping[str, Any]) -> list[str]:
    tested = [one for phase, one in sets.items() if isinstance(one, Mapping) and not phase.startswith('train')]
    names = [name for one in tested if isinstance(name := one.get('name'), str)]
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    return [f"datasets: two sets are called {name!r}; the images of one overwrite the other's" for name in twice]


def _wrong_sets(sets: Mapping[str, Any], is_train: bool, has_scale: bool) -> Iterator[Finding]:
    """Find sets that do not belong to training, or to testing, and those that are missing."""
    phases, names = (('train', 'val'), 'train, val, val_2') if is_train else (('val', 'test'), 'test, test_2')
    for phase, dataset in sets.items():
        if phase.split('_')[0] not in phases:
            yield wrong(f'sets are called {names}, …', 'datasets', phase)
        if isinstance(dataset, Mapping) and dataset.get('type') == 'PairedImageDataset' and not has_scale:
            yield Finding(('scale',), f'scale is missing: datasets.{phase} (PairedImageDataset) needs scale: 1')
    if is_train and 'train' not in sets:
        yield Finding(('datasets', 'train'), 'datasets: there is no train set')
    if not is_train and not sets:
        yield Finding(('datasets',), 'datasets: there is no test set')


def wrong_texts(opt: Mapping[str, Any]) -> Iterator[Finding]:
    """Find numbers that YAML reads as text, 1e-4 for instance, and names and paths that the locale's encoding lacks."""
    paths = {key: value for key, value in opt['path'].items() if key not in PATHS_SET_BY_BASICSR}
    for root in ('experiments_root', 'results_root'):  # they end in the name, which is told itself
        if isinstance(paths.get(root), str):
            paths[root] = osp.dirname(paths[root])
    for key, shown, text in _texts({**opt, 'path': paths}):
        if EXPONENT.match(text) and not key[-1].startswith(_FREE_TEXT):
            yield Finding(key, f'{named(shown)}: {text} is text to YAML; write !!float {text}')
        try:
            os.fsencode(text if key[0] in ('name', 'path', 'datasets') else '')
        except UnicodeEncodeError as error:
            said = f'the encoding of this locale, {error.encoding}, lacks characters of {text!a}'
            yield Finding(key, f'{named(shown)}: {said}; set the environment variable PYTHONUTF8=1')


def _texts(value: Any, key: Key = (), shown: Key = ()) -> Iterator[tuple[Key, Key, str]]:
    """List all texts in options, with the key of each, which is that of a list, and its place."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, (*key, name), (*shown, name))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _texts(item, key, (*shown[:-1], f'{shown[-1]}[{number}]'))
    elif isinstance(value, str):
        yield key, shown, value
