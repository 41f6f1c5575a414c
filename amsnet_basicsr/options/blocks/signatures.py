"""Option models of what constructors and functions take: networks, losses, metrics, refinements."""

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError, create_model

from amsnet_basicsr.options.blocks.base import Block

#: What a metric gets beside its options.
IMAGES = ('img', 'img2', 'noisy', 'prediction')


class Arguments(Block):
    """What a constructor takes."""

    # No class body to read them from, and pydantic would look through all modules for one.
    model_config = ConfigDict(use_attribute_docstrings=False)


class AnyArguments(Arguments):
    """What a constructor takes that takes anything."""

    model_config = ConfigDict(extra='allow')


@lru_cache(maxsize=256)
def block_of(found: Callable[..., Any], name: str | None = None, without: tuple[str, ...] = ()) -> type[Block]:
    """Make the model of a constructor's or function's arguments, and of `type` if it has a name."""
    hints, said = _annotations(found), descriptions(inspect.getdoc(found) or '')
    parameters = inspect.signature(found).parameters.values()
    fields: dict[str, Any] = {}
    if name is not None:
        fields['kind'] = (Literal[name], Field(alias='type', description='Name of the class.'))
    for number, parameter in enumerate(parameters):
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or parameter.name in without:
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        annotation = _plain(hints.get(parameter.name, Any))
        if default is not ... and not _fits(default, annotation):
            annotation = annotation | Literal[default] if default is None else Any
        field = Field(default, alias=parameter.name, description=said.get(parameter.name))
        fields[f'option_{number}'] = (annotation, field)
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    return create_model(
        f'{getattr(found, "__name__", "Any")}Options',
        __base__=AnyArguments if takes_all else Arguments,
        __doc__=(inspect.getdoc(found) or '').split('\n')[0],
        **fields,
    )


def descriptions(docstring: str) -> dict[str, str]:
    """Read what a Google docstring says about arguments or attributes."""
    section = re.search(r'^(?:Args|Attributes):\n((?:(?:    .*)?\n?)*)', docstring, flags=re.MULTILINE)
    entries = re.split(r'^ {4}(?=\w)', section[1], flags=re.MULTILINE)[1:] if section else []
    split = [entry.partition(':') for entry in entries]
    return {name.split(' ')[0]: ' '.join(text.split()) for name, _, text in split}


def _annotations(found: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(getattr(found, '__init__') if isinstance(found, type) else found)  # noqa: B009
    except Exception:  # names that aren't there any more
        return {}


def _plain(annotation: Any) -> Any:
    """Leave out annotations of what is no plain value."""
    try:
        TypeAdapter(annotation)
    except PydanticUserError:
        return Any
    return annotation


def _fits(value: Any, annotation: Any) -> bool:
    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True
