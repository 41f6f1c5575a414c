"""Reading options files safely: plain values only, nothing is run, and nothing takes much time or memory."""

import datetime
from typing import Any, NoReturn

import yaml

from amsnet_basicsr.utils.text import one_line

PLUGIN_NAME = 'amsnet_basicsr.__version__'

_STANDARD = 'tag:yaml.org,2002:'
_PLUGIN_TAG = f'{_STANDARD}python/name:{PLUGIN_NAME}'
_TEXT_TAGS = frozenset(f'{_STANDARD}{kind}' for kind in ('str', 'value', 'merge'))
_NUMBER_TAGS = frozenset(f'{_STANDARD}{kind}' for kind in ('int', 'float'))
_TAGS = {
    yaml.ScalarNode: _TEXT_TAGS | _NUMBER_TAGS | {f'{_STANDARD}{kind}' for kind in ('bool', 'null', 'timestamp')},
    yaml.SequenceNode: {f'{_STANDARD}seq'},
    yaml.MappingNode: {f'{_STANDARD}map'},
}

#: Bounds that no honest options file comes near; beyond them a file is refused before it takes time or memory.
MOST_BYTES = 200_000
MOST_VALUES = 20_000
MOST_LEVELS = 40
_LARGEST_NUMBER = 2**63
_LONGEST_NUMBER = 100
_TOO_DEEP = f'nested deeper than {MOST_LEVELS} levels'


class OptionsLoader(yaml.SafeLoader):
    """YAML's safe loader with the one tag that options files need, that of the `plugin:` line, and with stricter rules.

    Refused, with the line: every other tag, keys that are not text or occur twice (YAML would keep the last),
    references (`*name`) that lead to themselves or make the file grow beyond all bounds, dates, whole numbers beyond
    64 bits, and invalid characters. No two places share a value.
    """

    _values = 0

    def construct_document(self, node: yaml.Node) -> Any:
        """Make the values of a file."""
        return self.value(node, ())

    def value(self, node: yaml.Node, around: tuple[yaml.Node, ...]) -> Any:
        """Make the value of a node, a new one wherever a reference repeats it; `around` are the groups it stands in."""
        self._values += 1
        if self._values > MOST_VALUES:
            _refuse(node, f'more than {MOST_VALUES} values, counting what references (*name) repeat')
        if node in around:
            _refuse(node, 'a reference (*name) leads to the group that it stands in')
        if len(around) >= MOST_LEVELS:
            _refuse(node, _TOO_DEEP)
        if node.tag not in _TAGS[type(node)] | {_PLUGIN_TAG}:
            said = f'only plain values are read, and !!python/name:{PLUGIN_NAME}'
            _refuse(node, f'{node.tag.replace(_STANDARD, "!!", 1)} is refused: {said}')
        if isinstance(node, yaml.MappingNode):
            return self._group(node, (*around, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*around, node)) for item in node.value]
        return self._scalar(node)

    def _group(self, node: yaml.MappingNode, around: tuple[yaml.Node, ...]) -> dict[str, Any]:
        """Make a group; those that `<<` names are laid under it, the first of several on top."""
        merged: dict[str, Any] = {}
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            name = self.value(key, around)
            if key.tag not in _TEXT_TAGS:
                said = repr(key.value) if isinstance(key, yaml.ScalarNode) else 'a list or group'
                _refuse(key, f'a key must be text, but {said} is none to YAML; put it in quotes')
            if key.value in lines:
                _refuse(key, f'{key.value!r} is there a second time, first in line {lines[key.value]}; take one out')
            lines[key.value] = key.start_mark.line + 1
            if not key.tag.endswith(':merge'):
                values[name] = self.value(value, around)
                continue
            for group in reversed(value.value) if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(group, yaml.MappingNode):
                    _refuse(group, f'expected a mapping or list of mappings for merging, but found {group.id}')
                merged |= self.value(group, around)
        return {**merged, **values}

    def _scalar(self, node: yaml.Node) -> Any:
        """Make a single value; one that Python refuses (`!!int x`, 2024-13-01) is an error like any other."""
        if node.tag in _NUMBER_TAGS and len(node.value) > _LONGEST_NUMBER:  # 1:59:59:… would take minutes
            _refuse(node, f'a number of {len(node.value)} characters; put it in quotes if it is text')
        try:
            value = self.construct_object(node)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
            _refuse(node, f'{str(node.value)[:40]!r} is no valid {node.tag.removeprefix(_STANDARD)}')
        if isinstance(value, datetime.date):
            _refuse(node, f'{value} is a date to YAML; put it in quotes')
        if isinstance(value, int) and abs(value) >= _LARGEST_NUMBER:
            _refuse(node, f'a whole number of {value.bit_length()} bits is too large')
        if isinstance(value, str) and ('\0' in value or any('\ud800' <= character <= '\udfff' for character in value)):
            _refuse(node, f'the text {value!a} holds an invalid character')
        return value


OptionsLoader.add_constructor(_PLUGIN_TAG, lambda loader, node: PLUGIN_NAME)
# YAML has a type for a lone "=", which the safe loader cannot make; and `<<` merges only as a key.
for _kind in ('value', 'merge'):
    OptionsLoader.add_constructor(f'{_STANDARD}{_kind}', lambda loader, node: str(node.value))


def _refuse(node: yaml.Node, problem: str) -> NoReturn:
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def read_options(path: str) -> dict[str, Any]:
    """Read an options file without running anything in it.

    BasicSR's own reader runs code that a file asks for (`!!python/object/apply`). This one gives the same values, in
    the order of the file, except that `<<: *name` merges groups, which BasicSR ignores.

    Raises:
        ValueError: If the file cannot be read, is not YAML, or holds more than plain values; the message names file and
            line, or key.
    """
    text = _read_text(path)
    try:
        options = parse_yaml(text)
    except yaml.reader.ReaderError as error:
        line = text.count('\n', 0, error.position) + 1
        raise ValueError(f'{path}, line {line}: a character that YAML does not allow; remove it') from None
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        place = f', line {mark.line + 1}' if mark else ''
        raise ValueError(f'{path}{place}: {one_line(getattr(error, "problem", None) or error)}') from None
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    if not isinstance(options, dict):
        raise ValueError(f'{path} holds no options')
    return options


def parse_yaml(text: str, loader: type[OptionsLoader] = OptionsLoader) -> Any:
    """Read YAML by the safe loader.

    Raises:
        yaml.YAMLError: If it is no YAML, or holds something that is no plain value.
        ValueError: If it is too large or nested too deeply.
    """
    if sum(map(text.count, ',[{\n')) > MOST_VALUES:  # before it takes time: parsing these would take half a minute
        raise ValueError(f'more than {MOST_VALUES} values')
    try:
        return yaml.load(text, Loader=loader)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _read_text(path: str) -> str:
    try:
        with open(path, 'rb') as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f'{path} cannot be read: {error.strerror}') from error
    except ValueError as error:  # a name that no file can have
        raise ValueError(f'{path!a} cannot be read: {error}') from None
    if len(content) > MOST_BYTES:
        raise ValueError(f'{path} is larger than {MOST_BYTES // 1000} kB: no options file')
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start) + 1
        raise ValueError(f'{path}, line {line}: no UTF-8 text; save it as UTF-8') from None
