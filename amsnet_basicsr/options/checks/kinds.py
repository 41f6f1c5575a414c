"""What values options may have, each kind with the words that an error uses for it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Union

#: Larger whole numbers are a slip of the keyboard wherever options have them.
_MOST = 10**12


class Kind(NamedTuple):
    """What one option may be.

    Attributes:
        wanted: What is wanted, after "must be".
        fits: Tells whether a value is that; None is asked about too.
    """

    wanted: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Group:
    """A group of options.

    Attributes:
        keys: What is known about its keys; others aren't looked at.
        none: Whether the whole group may be None.
    """

    keys: Mapping[str, Union[Kind, 'Group']]
    none: bool = False


def whole(least: int = 0, most: int = _MOST, wanted: str = '') -> Kind:
    """Make the kind of whole numbers, as 4, not 4.0."""
    words = wanted or f'a whole number of at least {least}' + (f' and at most {most}' if most < _MOST else '')
    return Kind(words, lambda value: _is_whole(value) and least <= value <= most)


def count(least: int = 1, wanted: str = '') -> Kind:
    """Make the kind of whole numbers that may be written as decimals too, such as `!!float 5e3`."""
    words = wanted or f'a whole number of at least {least}'
    return Kind(words, lambda value: _is_number(value) and value == int(value) and least <= value <= _MOST)


def number(least: float = -math.inf, most: float = math.inf, above: float = -math.inf, below: float = math.inf) -> Kind:
    """Make the kind of finite numbers within bounds."""
    bounds = [
        f'{words} {bound:g}'
        for words, bound in (('of at least', least), ('of at most', most), ('above', above), ('below', below))
        if math.isfinite(bound)
    ]
    words = ' '.join(['a number', ' and '.join(bounds)]).strip()
    return Kind(words, lambda value: _is_number(value) and least <= value <= most and above < value < below)


def choice(*values: Any) -> Kind:
    """Make the kind of a few values; true and 1 are different ones."""
    names = [{True: 'true', False: 'false', None: '~'}.get(value, value) for value in values]
    return Kind(
        ' or '.join(map(str, names)),
        lambda value: any(type(value) is type(known) and value == known for known in values),
    )


def listing(kind: Kind, length: int | None = None) -> Kind:
    """Make the kind of lists, of any length above 0 or one alone, whose elements are of one kind."""
    return Kind(
        f'a list of {"" if length is None else f"{length}, "}each {kind.wanted}',
        lambda value: (
            isinstance(value, (list, tuple))
            and (len(value) == length if length is not None else len(value) > 0)
            and all(map(kind.fits, value))
        ),
    )


def either(*kinds: Kind) -> Kind:
    """Make the kind that is one of several."""
    return Kind(', or '.join(kind.wanted for kind in kinds), lambda value: any(kind.fits(value) for kind in kinds))


def or_none(kind: Kind) -> Kind:
    """Make the kind that may be None (`~`) too, which an error need not recommend."""
    return Kind(kind.wanted, lambda value: value is None or kind.fits(value))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


flag = Kind('true or false', lambda value: isinstance(value, bool))
text = Kind('text', lambda value: isinstance(value, str) and value != '')
settings = Kind('a group of options', lambda value: isinstance(value, Mapping))
folder_name = Kind(
    'a name for a folder (no / or \\, not . or .., at most 200 bytes)',
    lambda value: (
        text.fits(value)
        and not set(value) & set('/\\\n\r\t')
        and value.strip() not in ('', '.', '..')
        and len(value.encode('utf-8', 'replace')) <= 200
    ),
)
set_name = Kind(
    'a name (not absolute, no ..)',
    lambda value: text.fits(value) and not value.startswith('/') and '..' not in value.split('/'),
)
