"""Reading options files safely: plain values only, nothing is run, and nothing takes much time or memory."""

import datetime
import os
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from amsnet_basicsr.utils.text import did_you_mean, one_line

PLUGIN_NAME = 'amsnet_basicsr.__version__'

_STANDARD = 'tag:yaml.org,2002:'
_PLUGIN_TAG = f'{_STANDARD}python/name:{PLUGIN_NAME}'
_PLAIN_TAGS = frozenset(
    f'{_STANDARD}{kind}' for kind in 'str int float bool null timestamp seq map merge value'.split()
)
_ALLOWED = f'only plain values are read, and !!python/name:{PLUGIN_NAME}'
_TEXT_TAGS = frozenset(f'{_STANDARD}{kind}' for kind in ('str', 'value', 'merge'))

#: Bounds that no honest options file comes near; beyond them a file is refused before it takes time or memory.
MOST_BYTES = 200_000
MOST_VALUES = 20_000
MOST_LEVELS = 40
_MOST_DIGITS = 2**63
_LONGEST_NUMBER = 100
_NUMBERS = (f'{_STANDARD}int', f'{_STANDARD}float')


class OptionsLoader(yaml.SafeLoader):
    """YAML's safe loader with the one tag that options files need, that of the `plugin:` line, and with stricter rules.

    Refused, with the line: every other tag, keys that are not text, keys that occur twice (YAML would keep the
    last), and references (`*name`) that lead to themselves or would grow the file beyond all bounds.
    """

    def get_single_node(self) -> yaml.Node | None:
        """Parse the only document, and inspect it before any value is made."""
        node = super().get_single_node()
        if node is not None:
            _inspect(node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make a value; one that Python refuses (`!!int x`, 2024-13-01) is an error with a line, like any other."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
            problem = f'{str(node.value)[:40]!r} is no valid {_short(node.tag).removeprefix("!!")}'
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def _construct_plugin(loader: OptionsLoader, node: yaml.Node) -> str:
    return PLUGIN_NAME


OptionsLoader.add_constructor(_PLUGIN_TAG, _construct_plugin)
# YAML has a type for a lone "=", which the safe loader cannot make; and `<<` merges only as a key.
for _kind in ('value', 'merge'):
    OptionsLoader.add_constructor(f'{_STANDARD}{_kind}', lambda loader, node: str(node.value))


def _inspect(root: yaml.Node) -> None:
    """Refuse what an options file must not hold.

    Raises:
        yaml.constructor.ConstructorError: With the line.
    """
    measured: dict[int, tuple[int, int]] = {}
    open_nodes: set[int] = set()

    def refuse(node: yaml.Node, problem: str) -> None:
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

    def measure(node: yaml.Node, level: int) -> tuple[int, int]:
        """Count values and levels below a node, following references; each node is measured once."""
        if id(node) in open_nodes:
            refuse(node, 'a reference (*name) leads to the group that it stands in')
        if id(node) in measured:
            return measured[id(node)]
        if level > MOST_LEVELS:
            refuse(node, f'nested deeper than {MOST_LEVELS} levels')
        if node.tag not in _PLAIN_TAGS and node.tag != _PLUGIN_TAG:
            refuse(node, f'{_short(node.tag)} is refused: {_ALLOWED}')
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:  # 1:59:59:… would take minutes
            refuse(node, f'a number of {len(node.value)} characters; put it in quotes if it is text')
        open_nodes.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_bad_keys(node, refuse)
            inner = [value for _, value in node.value]
        else:
            inner = node.value if isinstance(node, yaml.SequenceNode) else []
        parts = [measure(value, level + 1) for value in inner]
        total, levels = 1 + sum(values for values, _ in parts), 1 + max((depth for _, depth in parts), default=0)
        if total > MOST_VALUES:
            refuse(node, f'more than {MOST_VALUES} values, counting what references (*name) repeat')
        if levels > MOST_LEVELS:
            refuse(node, f'nested deeper than {MOST_LEVELS} levels')
        open_nodes.remove(id(node))
        measured[id(node)] = total, levels
        return measured[id(node)]

    measure(root, 0)


def _refuse_bad_keys(node: yaml.MappingNode, refuse: Any) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag not in _PLAIN_TAGS:
            refuse(key, f'{_short(key.tag)} is refused: {_ALLOWED}')
        if not isinstance(key, yaml.ScalarNode) or key.tag not in _TEXT_TAGS:
            said = repr(key.value) if isinstance(key, yaml.ScalarNode) else 'a list or group'
            refuse(key, f'a key must be text, but {said} is none to YAML; put it in quotes')
        if key.value in seen:
            refuse(key, f'{key.value!r} is there a second time, first in line {seen[key.value]}; take one out')
        seen[key.value] = key.start_mark.line + 1


def _short(tag: str) -> str:
    return tag.replace(_STANDARD, '!!', 1)


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
    """Read YAML by the safe loader, into values that share nothing.

    Raises:
        yaml.YAMLError: If it is no YAML.
        ValueError: If it holds something that is no plain value; the message names the key.
    """
    if sum(map(text.count, ',[{\n')) > MOST_VALUES:  # before it takes time: parsing these would take half a minute
        raise ValueError(f'more than {MOST_VALUES} values')
    try:
        return plain(yaml.load(text, Loader=loader))
    except RecursionError:
        raise ValueError(f'nested deeper than {MOST_LEVELS} levels') from None


def plain(value: Any, key: str = '') -> Any:
    """Copy values so that no two places share one, and refuse what is not a plain value.

    Raises:
        ValueError: For dates, invalid characters, and whole numbers beyond 64 bits; the message names the key.
    """
    if isinstance(value, dict):
        return {
            plain(name, key or repr(name)): plain(item, f'{key}.{name}' if key else str(name))
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [plain(item, f'{key}[{number}]') for number, item in enumerate(value)]
    where = f'{key}: ' if key else ''
    if isinstance(value, datetime.date):
        raise ValueError(f'{where}{value} is a date to YAML; put it in quotes')
    if isinstance(value, int) and abs(value) >= _MOST_DIGITS:
        raise ValueError(f'{where}a whole number of {value.bit_length()} bits is too large')
    if isinstance(value, str) and ('\0' in value or any('\ud800' <= character <= '\udfff' for character in value)):
        raise ValueError(f'{where}the text {value!a} holds an invalid character')
    return value


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
        text = content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start) + 1
        raise ValueError(f'{os.fspath(path)}, line {line}: no UTF-8 text; save it as UTF-8') from None
    return text


def refuse_unknown(options: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise for keys that nothing reads.

    Raises:
        ValueError: If there is an unknown key; the message names all of them and the nearest known names.
    """
    known = sorted(known)
    wrong = [key for key in options if key not in known]
    if wrong:
        said = (f'{where} has no option {one_line(repr(key), 80)}; {did_you_mean(key, known)}' for key in wrong)
        raise ValueError('; '.join(said))
