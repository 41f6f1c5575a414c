"""`Block`, the base of all option models, and the kinds of values that options have."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar

from annotated_types import Ge, Gt, Le, Len, Lt, MinLen
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from amsnet_basicsr.options.blocks.messages import (
    Finding,
    Key,
    Wanted,
    fields_of,
    findings_of,
    group_in,
    mapped,
    missing,
)

B = TypeVar('B', bound='Block')
T = TypeVar('T')


class Block(BaseModel):
    """A group of options. Strict: a text is no number and 1 is not `true`; unknown keys are errors."""

    model_config = ConfigDict(
        extra='forbid', strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    #: Beginnings of keys that are read though no field has their name.
    admitted: ClassVar[tuple[str, ...]] = ()
    #: What `type` names, where it names something to build.
    part: ClassVar[str] = ''
    #: Whether keys that no field has may be read by something else: they are noted, no errors.
    tolerant: ClassVar[bool] = False
    #: Options that training, or testing, reads without asking whether they are there.
    needed_in_training: ClassVar[tuple[str, ...]] = ()
    needed_in_testing: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def problems(cls, options: Any, where: Key = ()) -> list[Finding]:
        """Find everything that is wrong with a group of options; `where` leads to it."""
        return _validate(cls, options, where)[1]

    @classmethod
    def groups(cls, options: Any, where: Key = ()) -> Iterator[tuple[Key, 'type[Block]', Mapping[str, Any]]]:
        """List this group of options and all within it, each with its model; what is no group is left out."""
        if not isinstance(options, Mapping):
            return
        yield where, cls, options
        for name, field in fields_of(cls).items():
            value, key = options.get(name), (*where, name)
            if inner := group_in(field.annotation):
                yield from inner.groups(value, key)
            elif isinstance(value, Mapping) and (inner := group_in(mapped(field.annotation))):
                for each, options_of_each in value.items():
                    yield from inner.groups(options_of_each, (*key, str(each)))

    @classmethod
    def lacking(cls, options: Mapping[str, Any], is_train: bool, where: Key = ()) -> list[Finding]:
        """Find the options that training, or testing, needs and that aren't there."""
        needed = cls.needed_in_training if is_train else cls.needed_in_testing
        absent = [key for key in needed if options.get(key) is None]
        return [Finding((*where, key), missing((*where, key), cls.model_fields[key])) for key in absent]

    @classmethod
    def read(cls: type[B], options: Mapping[str, Any] | None, where: str) -> B:
        """Read a group of options.

        Raises:
            ValueError: If something is wrong; the message names everything.
        """
        block, found = _validate(cls, options or {}, (where,))
        if block is None:
            raise ValueError('; '.join(finding.sentence for finding in found))
        return block


def _validate(model: type[B], options: Any, where: Key) -> tuple[B | None, list[Finding]]:
    try:
        # By way of JSON, a list serves as a tuple, while everything else stays strict.
        return model.model_validate_json(json.dumps(options, default=str)), []
    except ValidationError as error:
        return None, findings_of(error, model, options, where)


def whole_if_equal(value: Any) -> Any:
    """Turn 5000.0 into 5000."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _flag(value: Any) -> Any:
    return bool(value) if isinstance(value, int) and value in (0, 1) else value


def _is_folder_name(value: str) -> str:
    if set(value) & set('/\\\n\r\t') or value.strip() in ('', '.', '..') or len(value.encode()) > 200:
        raise ValueError
    return value


def _is_relative(value: str) -> str:
    if value.startswith('/') or '..' in value.split('/'):
        raise ValueError
    return value


#: What BasicSR only asks whether it is true.
Flag = Annotated[bool, BeforeValidator(_flag)]
#: Larger whole numbers are a slip of the keyboard wherever options have them.
_Whole = Annotated[int, Le(10**12)]
Whole = Annotated[_Whole, Ge(0)]
Positive = Annotated[_Whole, Ge(1)]
#: Whole numbers that may be written as decimals too, such as `!!float 5e3`.
Count = Annotated[Whole, BeforeValidator(whole_if_equal)]
Iterations = Annotated[Positive, BeforeValidator(whole_if_equal), Wanted('a number of iterations')]
AboveZero = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Lt(1)]
Text = Annotated[str, MinLen(1), Wanted('text')]
SetName = Annotated[Text, AfterValidator(_is_relative), Wanted('a name (not absolute, no ..)')]
FolderName = Annotated[
    Text,
    AfterValidator(_is_folder_name),
    Wanted('a name for a folder (no / or \\, not . or .., at most 200 bytes)'),
]
Pair = Annotated[Sequence[T], Len(2, 2)]
Several = Annotated[Sequence[T], MinLen(1)]
