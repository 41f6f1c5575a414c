"""`--force_yml train:optim_g:lr=1e-5`: change single options from the command line, without executing anything."""

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from amsnet_basicsr.options.reader import OptionsLoader, parse_yaml
from amsnet_basicsr.utils.text import did_you_mean, one_line


class ValueLoader(OptionsLoader):
    """Reads a value as in the file, except that 1e-5 is a number and `none` is empty."""


ValueLoader.add_implicit_resolver(
    'tag:yaml.org,2002:float', re.compile(r'^[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$'), list('-+.0123456789')
)
ValueLoader.add_implicit_resolver('tag:yaml.org,2002:null', re.compile('^(none|None|NONE)$'), ['n', 'N'])

#: A value that begins with one of these is read as YAML; any other is one word, whatever it contains.
_MARKUP = ('[', '{', '"', "'", '!')


def apply_force_yml(options: Mapping[str, Any], changes: Iterable[str]) -> dict[str, Any]:
    """Return a changed copy; entries `key:key=value` apply in order, and a number is the index of a list element.

    Raises:
        ValueError: If an entry has another form, nothing reads its key, or its value cannot be read; the message names
            all such entries.
    """
    changed = copy.deepcopy(dict(options))
    problems = []
    for entry in changes:
        try:
            _apply(changed, entry)
        except ValueError as error:
            problems.append(f'--force_yml {entry}: {error}')
    if problems:
        raise ValueError('\n'.join(problems))
    return changed


def parse_value(text: str) -> Any:
    """Read a value, such as `1e-5`, `-1`, `[1, 2]`, `none`, `true` or `*_noisy.png`.

    Raises:
        ValueError: If it begins like a list, group, quotation or tag and is none.
    """
    text = text.strip()
    try:
        if text.startswith(_MARKUP):
            return parse_yaml(text, ValueLoader)
        loader = ValueLoader('')  # only the type of a word is resolved: no character in it has a meaning
        tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        return loader.construct_object(yaml.ScalarNode(tag, text))
    except yaml.YAMLError as error:
        problem = one_line(getattr(error, 'problem', None) or error)
        refused = isinstance(error, yaml.constructor.ConstructorError)
        raise ValueError(problem if refused else f'the value is no YAML: {problem}') from None


def _apply(options: dict[str, Any], entry: str) -> None:
    """Change the option, in a group or a list, that an entry names."""
    path, equals, text = entry.partition('=')
    if not equals:
        raise ValueError('key:key=value expected, e.g. train:optim_g:lr=1e-5')
    *groups, last = keys = [key.strip() for key in path.split(':')]
    _make_room(options, keys)
    group: Any = options
    for number, key in enumerate(groups):
        group = group[_place(group, key, ':'.join(groups[:number]))]
    group[_place(group, last, ':'.join(groups))] = parse_value(text)


def _make_room(options: dict[str, Any], keys: list[str]) -> None:
    """Add an option that the file doesn't have, if something reads it."""
    group, rest = options, list(keys)
    while rest and isinstance(group, dict) and group.get(rest[0]) is not None:
        group = group[rest.pop(0)]
    if not rest or not isinstance(group, dict):
        return
    from amsnet_basicsr.options.blocks.file import knows  # slow: only where it is needed

    if knows(options, keys):
        for key in rest[:-1]:
            group[key] = {}
            group = group[key]
        group.setdefault(rest[-1], None)


def _place(group: Any, key: str, where: str) -> Any:
    """Return the key of a group, or the index of a list, that is there to change."""
    if isinstance(group, list):
        if key.isascii() and key.isdigit() and len(key) < 9 and int(key) < len(group):
            return int(key)
        raise ValueError(f'{where} is a list of {len(group)}; its elements are 0 to {len(group) - 1}, not {key!r}')
    if not isinstance(group, dict):
        raise ValueError(f'{where} is no group of options, but {one_line(repr(group), 80)}')
    if key not in group:
        place = f'{where} of the file' if where else 'the file'
        raise ValueError(f'{place} has no {key!r} to change; {did_you_mean(key, group, "there are")}')
    return key
