"""Find the input images: files, folders and patterns."""

import fnmatch
import glob
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from amsnet_basicsr.images import READ_SUFFIXES, UNREAD_SUFFIXES

Identity = tuple[int, int]
Pattern = tuple[str, ...]
"""Its parts, one for each part of a path; `**` for any number of them."""
OTHER = 'other'
"""Counts files that are no images."""


@dataclass(frozen=True)
class Found:
    """An image to denoise.

    Attributes:
        path: The file.
        relative: Where its output goes below the output folder, before any change of name.
        named: Whether it was named singly, rather than found in a folder or by a pattern.
    """

    path: Path
    relative: Path
    named: bool


@dataclass(frozen=True)
class Inputs:
    """What the inputs on the command line stand for.

    Attributes:
        found: The images, each once, in the order of the names and sorted within each.
        problems: What is wrong, by the name as given, or the file or folder that can't be looked at.
        passed_over: How many files of folders and patterns are not read, by suffix; `OTHER` are no images.
    """

    found: list[Found]
    problems: dict[str, str]
    passed_over: Counter[str]

    def passed_over_in_words(self) -> str:
        """List them: `3 .jxl (convert them to PNG or TIFF), 2 other`."""
        return ', '.join(
            f'{count} {kind}' + (f' ({UNREAD_SUFFIXES[kind]})' if kind != OTHER else '')
            for kind, count in sorted(self.passed_over.items())
        )


def find_inputs(names: Sequence[str], output: Path) -> Inputs:
    """Find the images that names stand for.

    A name that exists is taken as it is, whatever it ends in; else one with `*`, `?` or `[` is a pattern (`**`: any
    folders). Folders are searched with all subfolders, and so are those that a pattern fits; the output keeps the
    folders of a pattern from its first wildcard on. In both, files count that end as images do (or as the pattern
    says), and hidden ones don't. A linked folder is followed unless it lies in the searched folder anyway. The output
    folder, which need not exist, isn't searched if it lies below an input.
    """
    search = _Search(output)
    found: dict[tuple[str, str], Found] = {}
    for name in names:
        path, new = Path(name), []
        if os.path.isdir(path):
            new = list(search.below(path, ('**',)))
            nothing = 'no images in this folder'
        elif os.path.lexists(name):
            new = [Found(path, Path(path.name), True)]
        elif glob.has_magic(name):
            parts = (*path.parts, '*') if name.endswith(os.sep) else path.parts  # a slash at the end: only folders
            first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
            new = list(search.below(Path(*parts[:first]), parts[first:]))
            nothing = 'no image matches this pattern'
        else:
            nothing = _why_missing(name)
        if not new:
            search.problems.setdefault(name, nothing)
        for one in new:
            found.setdefault(place(one.path), one)
    passed_over = Counter(kind for at, kind in search.passed_over.items() if at not in found)
    return Inputs(list(found.values()), search.problems, passed_over)


def _why_missing(name: str) -> str:
    try:
        os.lstat(name)
    except OSError as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            return f'cannot be looked at: {error.strerror}'
    return 'no such file or folder'


class _Search:
    """Searches folders, and records what can't be looked at and what is passed over."""

    def __init__(self, output: Path) -> None:
        self.problems: dict[str, str] = {}
        self.passed_over: dict[tuple[str, str], str] = {}
        self._output = identity(output) if os.path.isdir(output) else None

    def below(self, base: Path, pattern: Pattern) -> Iterator[Found]:
        """List the images below a folder that fit a pattern, or that lie in a folder that fits, sorted.

        Without recursion: folders may lie a thousand deep. Not by the glob module, which never ends where links form a
        circle.
        """
        ending = '' if glob.has_magic(suffix := Path(pattern[-1]).suffix) else suffix
        top = os.path.realpath(base)
        seen: set[tuple[Identity, frozenset[Pattern]]] = set()
        waiting = [(base, _meanings(pattern))] if os.path.isdir(base) else []
        while waiting:
            path, left = waiting.pop()
            try:
                status = os.stat(path)
                here = status.st_dev, status.st_ino
            except FileNotFoundError:  # a link to nothing, which reading will name
                status = None
            except OSError as error:
                self.problems[str(path)] = f'cannot be looked at: {error.strerror}'
                continue
            if status is None or not stat.S_ISDIR(status.st_mode):
                if () in left and ((ending and path.suffix == ending) or self._is_image(path)):
                    yield Found(path, path.relative_to(base), False)
                continue
            if path != base:
                every = any(pattern[:1] in ((), ('**',)) for pattern in left)
                if here == self._output or (every and os.path.islink(path) and _within(os.path.realpath(path), top)):
                    continue
            if (here, left) in seen:
                continue
            seen.add((here, left))
            try:
                names = sorted(os.listdir(path), reverse=True)
            except OSError as error:
                self.problems[str(path)] = f'cannot be searched: {error.strerror}'
                continue
            waiting += [(path / name, rest) for name in names if (rest := _after(name, left))]

    def _is_image(self, path: Path) -> bool:
        suffix = path.suffix.lower()
        if suffix in READ_SUFFIXES and (os.path.isfile(path) or os.path.islink(path)):
            return True
        self.passed_over[place(path)] = suffix if suffix in UNREAD_SUFFIXES else OTHER
        return False


def _after(name: str, patterns: frozenset[Pattern]) -> frozenset[Pattern]:
    """What patterns ask of the rest of a path after its part `name`; nothing, `()`, in a folder that fits."""
    left = frozenset[Pattern]()
    for pattern in patterns:
        wanted = pattern[0] if pattern else '**'
        if wanted == '**' and not name.startswith('.'):
            left |= _meanings(pattern)
        elif wanted != '**' and fnmatch.fnmatchcase(name, wanted) and (wanted[0] == '.' or name[0] != '.'):
            left |= _meanings(pattern[1:])
    return left


def _meanings(pattern: Pattern) -> frozenset[Pattern]:
    """A pattern, and what it is if a `**` at its start is no folder at all."""
    return frozenset([pattern]) | (_meanings(pattern[1:]) if pattern[:1] == ('**',) else frozenset())


def place(path: Path) -> tuple[str, str]:
    """Return the folder of a path, without links, and its name: equal for two paths to one entry, existing or not."""
    return os.path.realpath(path.parent), path.name


def identity(path: Path) -> Identity:
    """Return what all names of an existing file or folder share, also through links; an OSError if there is none."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
