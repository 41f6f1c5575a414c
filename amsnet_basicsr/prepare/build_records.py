"""What goes into the build of an LMDB, and what is recorded of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Choices:
    """How to run: the options that the preparing commands have in common."""

    workers: int | None = None  # threads; None for one per core
    overwrite: bool = False
    restart: bool = False
    skip_damaged: bool = False
    ignore_space: bool = False


@dataclass(frozen=True)
class Made:
    """The encoded images of a source by key (ASCII, without dots), and plain values to remember about it."""

    images: Mapping[str, bytes]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """What becomes one group.

    Attributes:
        name: Name of the group, ASCII.
        title: What messages call the source, e.g. its path.
        fingerprint: Tells another source of that name apart; plain values.
        make: Makes the images, in a thread; raises ValueError if the source is damaged.
    """

    name: str
    title: str
    fingerprint: Any
    make: Callable[[], Made]


@dataclass(frozen=True)
class Group:
    """The record of a group that is done: number and bytes of its images, the source's fingerprint, facts."""

    count: int
    stored: int
    source: Any
    facts: dict[str, Any]
