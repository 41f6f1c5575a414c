"""`--force_yml train:optim_g:lr=1e-5`: change single options from the command line, without executing anything."""

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from amsnet_basicsr.options.reader import OptionsLoader, parse_yaml
from amsnet_basicsr.utils.text import one_line


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
        return loader.value(yaml.ScalarNode(tag, text), ())
    except yaml.YAMLError as error:
        problem = one_line(getattr(error, 'problem', None) or error)
        refused = isinstance(error, yaml.constructor.ConstructorError)
        raise ValueError(problem if refused else f'the value is no YAML: {problem}') from None


def _apply(options: dict[str, Any], entry: str) -> None:
    """Set the option, in a group or a list, that an entry names."""
    path, equals, text = entry.partition('=')
    if not equals:
        raise ValueError('key:key=value expected, e.g. train:optim_g:lr=1e-5')
    *groups, last = keys = [key.strip() for key in path.split(':')]
    group: Any = options
    for number, key in enumerate(groups):
        place = _place(group, key, ':'.join(groups[:number]))
        if isinstance(group, dict) and group.get(place) is None:
            group[place] = {}
        group = group[place]
    place = _place(group, last, ':'.join(groups))
    is_new = isinstance(group, dict) and place not in group
    group[place] = parse_value(text)
    if is_new:
        _refuse_unread(options, tuple(keys))


def _refuse_unread(options: dict[str, Any], key: tuple[str, ...]) -> None:
    """Refuse an option that nothing reads; of a model that isn't known, one that ours don't read."""
    from amsnet_basicsr.options.blocks.file import MODELS, AMSNetOptions  # slow: only where it is needed

    model = options.get('model_type')
    rules = MODELS.get(model, AMSNetOptions) if isinstance(model, str) else AMSNetOptions
    for found in rules.problems(options):
        if found.unread and found.key == key[: len(found.key)]:
            raise ValueError(found.sentence)


def _place(group: Any, key: str, where: str) -> Any:
    """Return the key of a group, or the index of a list, which must be there."""
    if isinstance(group, list):
        if key.isascii() and key.isdigit() and len(key) < 9 and int(key) < len(group):
            return int(key)
        raise ValueError(f'{where} is a list of {len(group)}; its elements are 0 to {len(group) - 1}, not {key!r}')
    if not isinstance(group, dict):
        raise ValueError(f'{where} is no group of options, but {one_line(repr(group), 80)}')
    return key
