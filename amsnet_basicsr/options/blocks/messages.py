"""Pydantic's errors as sentences: which option, what it must be, what it is, the nearest known name."""

import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from amsnet_basicsr.utils.text import did_you_mean, one_line

Key = tuple[str, ...]
"""The keys that lead to an option, e.g. `('train', 'optim_g', 'lr')`."""

EXPONENT = re.compile(r'^[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+$')
_OF_A_NETWORK = re.compile('^(.*_)[a-z]$')
_LARGEST_BOUND = 10**12
_BOUNDS = {'ge': 'of at least', 'gt': 'above', 'le': 'of at most', 'lt': 'below'}
_WORDS = {int: 'a whole number', float: 'a number', bool: 'true or false', str: 'text', list: 'a list', tuple: 'a list'}
_SPELLED = {True: 'true', False: 'false'}


class Finding(NamedTuple):
    """Where something is wrong, and the sentence to tell."""

    key: Key
    sentence: str
    #: Whether it is only that our rules lack the option.
    unread: bool = False
    #: Whether something else may read it, so that it is worth a note, but no problem.
    tolerated: bool = False


def wrong(said: str, *key: str) -> Finding:
    """Say what is wrong with an option: `train.amp: …`."""
    return Finding(key, f'{named(key)}: {said}')


@dataclass(frozen=True)
class Wanted:
    """Words for what an option must be, where its type alone doesn't say it well."""

    words: str


def named(key: Key) -> str:
    """Write a key as messages have it: `train.optim_g.lr`."""
    head, *rest = map(str, key or ('',))
    return (': ' if ' ' in head else '.').join(filter(None, [head, '.'.join(rest)]))


def shown(value: Any) -> str:
    """Show a value in an error, cut if it is long."""
    return one_line(repr(value), 80)


def sentence(key: Key, wanted: str, value: Any) -> str:
    """Say what an option must be, with a hint for the usual slips."""
    if isinstance(value, str) and EXPONENT.match(value) and 'number' in wanted:
        return f'{named(key)}: {value} is text to YAML; write !!float {value}'
    if value is None:
        return f'{named(key)} must be {wanted}, but is empty; give one, or leave the line out'
    if isinstance(value, (int, float)) and wanted.startswith(('text', 'a name')):
        return f'{named(key)} must be {wanted}, got {shown(value)}; put it in quotes'
    return f'{named(key)} must be {wanted}, got {shown(value)}'


def unknown(key: Key, known: Iterable[str]) -> str:
    """Say that nothing reads an option, with the nearest name that something reads."""
    stem = _OF_A_NETWORK.match(key[-1])  # network_d is another network's option, no slip for network_g
    hint = did_you_mean(key[-1], sorted(name for name in known if not stem or name[:-1] != stem[1]))
    return f'{named(key[:-1]) or "the options file"} has no option {shown(key[-1])}; {hint}'


def missing(key: Key, field: FieldInfo) -> str:
    """Say that an option is missing, with its field's example."""
    return f'{named(key)} is missing' + (f'; write e.g. {key[-1]}: {field.examples[0]}' if field.examples else '')


def words(annotation: Any) -> str:
    """Say what a type admits, after "must be"; that an option may be empty is no advice to give."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _bounded(inner[0], inner[1:])
    if annotation in _WORDS:
        return _WORDS[annotation]
    if origin in (typing.Union, types.UnionType):
        said = [words(one) for one in inner if one is not types.NoneType]
        return (', or ' if any(' ' in one.replace(' or ', '') for one in said) else ' or ').join(said)
    if origin is typing.Literal:
        return ' or '.join(_SPELLED[one] if isinstance(one, bool) else str(one) for one in inner)
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        return f'a list of {len(inner)}: {", ".join(map(words, inner))}'
    if _is_a(origin, Sequence):
        return f'a list, each {words(inner[0])}' if inner and inner[0] is not Any else 'a list'
    if _is_a(annotation, BaseModel) or _is_a(origin, Mapping):
        return 'a group of options'
    return str(annotation)


def _bounded(annotation: Any, metadata: Iterable[Any]) -> str:
    """Say what a type with bounds admits."""
    flat = [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
    if wanted := [item.words for item in flat if isinstance(item, Wanted)]:
        return wanted[-1]
    said, bounds = words(annotation), []
    for attribute, phrase in _BOUNDS.items():
        found = [bound for item in flat if (bound := getattr(item, attribute, None)) is not None]
        bounds += [f'{phrase} {bound}' for bound in found if abs(bound) < _LARGEST_BOUND]
    for item in flat:
        if (length := getattr(item, 'max_length', None)) is not None:
            said = said.replace('a list', f'a list of {length}', 1)
    return ' '.join([said, ' and '.join(bounds)]).strip().replace('and of at most', 'and at most')


def findings_of(error: ValidationError, model: type[BaseModel], options: Any, where: Key) -> list[Finding]:
    """Turn pydantic's errors into sentences, one per option."""
    found: dict[Key, Finding] = {}
    for detail in error.errors(include_url=False):
        finding = _finding(detail, model, options, where)
        if finding is not None:
            found.setdefault(finding.key, finding)
    # A member of a union that is a group says more than that the option is none of the others.
    return [one for one in found.values() if not any(key[:-1][: len(one.key)] == one.key for key in found)]


def _finding(detail: ErrorDetails, model: type[BaseModel], options: Any, where: Key) -> Finding | None:
    """Find the option that an error is about, by following its location through the models and the options."""
    annotation: Any = model
    field: FieldInfo | None = None
    value, key = options, where
    for step in detail['loc']:
        block, name = group_in(annotation), str(step)
        if block is not None and name == block.__name__:
            continue  # a member of a union
        known = fields_of(block) if block is not None else {}
        if name in known:
            field = known[name]
            annotation = annotated(field)
        elif block is not None and detail['type'] == 'extra_forbidden':
            admitted = name.startswith(getattr(block, 'admitted', ()))
            said = unknown((*key, name), known)
            return None if admitted else Finding((*key, name), said, True, getattr(block, 'tolerant', False))
        elif (inner := mapped(annotation)) is not None and isinstance(value, Mapping) and step in value:
            annotation, field = inner, None
        else:
            break
        key = (*key, name)
        value = value.get(step) if isinstance(value, Mapping) else None
    if value is None and field is not None and field.is_required():
        return Finding(key, missing(key, field))
    if detail['type'] == 'value_error' and (said := str(detail['ctx']['error'])):
        return wrong(said.removeprefix(f'{key[-1]}: ') if key else said, *key)
    if detail['type'] == 'json_invalid':
        return wrong('a text holds an invalid character', *(key or ('the options',)))
    return Finding(key, sentence(key, words(annotation), value))


def fields_of(block: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the names that options files use."""
    return {field.alias or name: field for name, field in block.model_fields.items()}


def annotated(field: FieldInfo) -> Any:
    """Return the type of a field with its bounds."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def group_in(annotation: Any) -> type[Any] | None:
    """Return the model among the types that an annotation admits."""
    return next((member for member in _members(annotation) if _is_a(member, BaseModel)), None)


def mapped(annotation: Any) -> Any:
    """Return what the values of a mapping are, if an annotation admits one."""
    mappings = [member for member in _members(annotation) if _is_a(typing.get_origin(member), Mapping)]
    return typing.get_args(mappings[0])[1] if mappings else None


def _members(annotation: Any) -> list[Any]:
    """List the types that an annotation admits, without their bounds."""
    if typing.get_origin(annotation) is Annotated:
        return _members(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [member for one in typing.get_args(annotation) for member in _members(one)]
    return [annotation]


def _is_a(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)
