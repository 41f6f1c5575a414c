"""Checking that options are of the right type and within bounds."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.checks.findings import Finding, Key, named
from amsnet_basicsr.options.checks.kinds import Group, Kind
from amsnet_basicsr.options.checks.known import DATASETS, LOADER, METRIC, SECTIONS, TOP_LEVEL
from amsnet_basicsr.utils.text import one_line

_EXPONENT = re.compile(r'^[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+$')
_MOST_SHOWN = 80
#: Where a text that looks like 1e-4 is meant as text.
_FREE_TEXT = (
    'name', 'suffix', 'dataroot', 'scenes', 'param_key', 'pretrain', 'meta_info', 'filename', 'noisy', 'clean',
)  # fmt: skip


def wrong_types(opt: Mapping[str, Any], missing: set[Key]) -> Iterator[Finding]:
    """Find options of a wrong type, or out of bounds.

    Args:
        opt: The options.
        missing: Options that were reported as missing: where they are None, that is all there is to say.

    Yields:
        What is wrong.
    """
    yield from _in_group(opt, Group({**TOP_LEVEL, **SECTIONS}), (), missing)
    datasets = opt.get('datasets')
    for phase, dataset in datasets.items() if isinstance(datasets, Mapping) else ():
        if isinstance(dataset, Mapping):
            kind = dataset.get('type')
            known = DATASETS.get(kind, {}) if isinstance(kind, str) else {}
            yield from _in_group(dataset, Group({**LOADER, **known}), ('datasets', str(phase)), missing)
    metrics = opt['val'].get('metrics') if isinstance(opt.get('val'), Mapping) else None
    for name, metric in metrics.items() if isinstance(metrics, Mapping) else ():
        yield from _wrong(metric, METRIC, ('val', 'metrics', str(name)), missing)


def _in_group(group: Mapping[str, Any], known: Group, where: Key, missing: set[Key]) -> Iterator[Finding]:
    for name, kind in known.keys.items():
        if name in group:
            yield from _wrong(group[name], kind, (*where, name), missing)


def _wrong(value: Any, kind: Kind | Group, key: Key, missing: set[Key]) -> Iterator[Finding]:
    if key in missing and (value is None or isinstance(kind, Group)):
        return
    if isinstance(kind, Group):
        if isinstance(value, Mapping):
            yield from _in_group(value, kind, key, missing)
        elif not (value is None and kind.none):
            yield key, f'{named(key)} must be a group of options, got {shown(value)}'
    elif not kind.fits(value):
        yield key, sentence(key, kind.wanted, value)


def sentence(key: Key, wanted: str, value: Any) -> str:
    """Say what an option must be.

    Args:
        key: The option.
        wanted: What it must be.
        value: What it is.

    Returns:
        One line, with a hint for the usual slips.
    """
    if isinstance(value, str) and _EXPONENT.match(value) and 'number' in wanted:
        return f'{named(key)}: {value} is text to YAML; write !!float {value}'
    if value is None:
        return f'{named(key)} must be {wanted}, but is empty; give one, or leave the line out'
    if isinstance(value, (int, float)) and wanted.startswith(('text', 'a name')):
        return f'{named(key)} must be {wanted}, got {shown(value)}; put it in quotes'
    return f'{named(key)} must be {wanted}, got {shown(value)}'


def shown(value: Any) -> str:
    """Show a value in an error, cut if it is long."""
    return one_line(repr(value), _MOST_SHOWN)


def text_numbers(value: Any, key: Key = ()) -> Iterator[Finding]:
    """Find numbers that YAML reads as text, wherever they are: PyYAML takes 1e-4 for a string.

    Args:
        value: Options, or one of them.
        key: Where it is.

    Yields:
        What is wrong.
    """
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from text_numbers(item, (*key, str(name)))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            for _, said in text_numbers(item, (*key[:-1], f'{key[-1] if key else ""}[{number}]')):
                yield key, said
    elif isinstance(value, str) and _EXPONENT.match(value) and not any(key[-1].startswith(word) for word in _FREE_TEXT):
        yield key, f'{named(key)}: {value} is text to YAML; write !!float {value}'
