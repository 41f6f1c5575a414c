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
    folders). Folders are searched with all subfolders; the output keeps the folders of a pattern from its first
    wildcard on. In both, files count that end as images do (or as the pattern says), and hidden ones don't. A linked
    folder is followed unless it lies in the searched folder anyway. The output folder, which need not exist, isn't
    searched if it lies below an input.
    """
    search = _Search(output)
    found: dict[tuple[str, str], Found] = {}
    for name in names:
        path, new = Path(name), []
        if os.path.isdir(path):
            new = [Found(file, file.relative_to(path), False) for file in search.images(path)]
            nothing = 'no images in this folder'
        elif os.path.lexists(name):
            new = [Found(path, Path(path.name), True)]
        elif glob.has_magic(name):
            new = list(search.matches(name))
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
        self._output = output

    def images(self, folder: Path) -> Iterator[Path]:
        """List the images below a folder."""
        return filter(self._is_image, self._below(folder))

    def matches(self, pattern: str) -> Iterator[Found]:
        """List the images that match a pattern; a matched folder stands for all below it."""
        parts = Path(pattern).parts
        fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
        base = Path(*parts[:fixed])
        ending = Path(pattern).suffix
        if '**' in parts:
            # Not by the glob module, which never ends where links form a circle.
            matches = [
                path
                for path in (self._below(base) if os.path.isdir(base) else ())
                if _fits(path.relative_to(base).parts, parts[fixed:])
            ]
        else:
            matches = [Path(name) for name in sorted(glob.glob(pattern))]
        avoided = os.path.realpath(self._output)
        same = avoided == os.path.realpath(base)
        for path in matches:
            if not same and _within(os.path.realpath(path), avoided):
                continue
            if os.path.isdir(path):
                files = list(self.images(path))
            else:
                files = [path] if (ending and not glob.has_magic(ending)) or self._is_image(path) else []
            yield from (Found(file, file.relative_to(base), False) for file in files)

    def _is_image(self, path: Path) -> bool:
        suffix = path.suffix.lower()
        if suffix in READ_SUFFIXES and (os.path.isfile(path) or os.path.islink(path)):
            return True
        self.passed_over[place(path)] = suffix if suffix in UNREAD_SUFFIXES else OTHER
        return False

    def _below(self, folder: Path) -> Iterator[Path]:
        """List the files below a folder but hidden ones and the output folder, sorted.

        Without recursion: folders may lie a thousand deep.
        """
        top = os.path.realpath(folder)
        seen: set[Identity] = set()
        if os.path.isdir(self._output) and os.path.realpath(self._output) != top:
            seen.add(identity(self._output))
        waiting = [folder]
        while waiting:
            path = waiting.pop()
            try:
                status = os.stat(path)
            except FileNotFoundError:  # a link to nothing, which reading will name
                yield path
                continue
            except OSError as error:
                self.problems[str(path)] = f'cannot be looked at: {error.strerror}'
                continue
            if path != folder and not stat.S_ISDIR(status.st_mode):
                yield path
                continue
            if path != folder and os.path.islink(path) and _within(os.path.realpath(path), top):
                continue
            if (here := (status.st_dev, status.st_ino)) in seen:
                continue
            seen.add(here)
            try:
                with os.scandir(path) as listing:
                    names = sorted((entry.name for entry in listing if not entry.name.startswith('.')), reverse=True)
            except OSError as error:
                self.problems[str(path)] = f'cannot be searched: {error.strerror}'
                continue
            waiting += [path / name for name in names]


def place(path: Path) -> tuple[str, str]:
    """Return the folder of a path, without links, and its name: equal for two paths to one entry, existing or not."""
    return os.path.realpath(path.parent), path.name


def identity(path: Path) -> Identity:
    """Return what all names of an existing file or folder share, also through links; an OSError if there is none."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _fits(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Match the parts of a path with those of a pattern; `**` is any number of folders, or at the end everything."""
    if not pattern:
        return not names
    if pattern[0] == '**':
        return len(pattern) == 1 or any(_fits(names[i:], pattern[1:]) for i in range(len(names)))
    return bool(names) and fnmatch.fnmatchcase(names[0], pattern[0]) and _fits(names[1:], pattern[1:])


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
