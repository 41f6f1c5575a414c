"""Which images are meant: files, folders and patterns."""

import fnmatch
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from amsnet_basicsr.images import READ_SUFFIXES

Identity = tuple[int, int]


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
class Problem:
    """An input that led to nothing.

    Attributes:
        name: As given, or the folder that can't be read.
        reason: What is wrong with it.
    """

    name: str
    reason: str


def find_inputs(names: Sequence[str], output: Path) -> tuple[list[Found], list[Problem]]:
    """Find the images that names stand for, each once.

    A name that exists is taken as it is, whatever it ends in; else one with `*`, `?` or `[` is a pattern (`**`: any
    folders). Folders are searched with all below them, patterns tell folders' structure from their first wildcard on.
    In both, files count that end as images do (or as the pattern says), and hidden ones don't. A linked folder is
    followed unless it lies in the searched folder anyway. The output folder isn't searched if it lies below an input.

    Args:
        names: Files, folders and patterns.
        output: The output folder, which need not exist.

    Returns:
        The images, in the order of the names and sorted within each, and the names that led to none.
    """
    found: dict[tuple[str, str], Found] = {}
    problems: list[Problem] = []
    for name in names:
        path = Path(name)
        if os.path.isdir(path):
            new = [Found(file, file.relative_to(path), False) for file in _search(path, output, problems)]
            if not new:
                problems.append(Problem(name, f'no images in this folder ({", ".join(READ_SUFFIXES)})'))
        elif os.path.lexists(name):
            new = [Found(path, Path(path.name), True)]
        elif glob.has_magic(name):
            new = list(_match(name, output, problems))
            if not new:
                problems.append(Problem(name, 'no image matches this pattern'))
        else:
            new = []
            problems.append(Problem(name, 'no such file or folder'))
        for one in new:
            found.setdefault(place(one.path), one)
    return list(found.values()), problems


def place(path: Path) -> tuple[str, str]:
    """Tell whether two paths are the same entry of the same folder, whether it exists or not.

    Args:
        path: A file.

    Returns:
        Its folder, without links, and its name.
    """
    return os.path.realpath(path.parent), path.name


def _search(folder: Path, output: Path, problems: list[Problem]) -> Iterator[Path]:
    """Search a folder for images."""
    for path in _walk_below(folder, output, problems):
        if path.suffix.lower() in READ_SUFFIXES and (os.path.isfile(path) or os.path.islink(path)):
            yield path


def _walk_below(folder: Path, output: Path, problems: list[Problem]) -> Iterator[Path]:
    """List all below a folder but hidden things and the output folder."""
    top = os.path.realpath(folder)
    seen: set[Identity] = set()
    if os.path.isdir(output) and os.path.realpath(output) != top:
        seen.add(identity(output))
    yield from _walk(folder, top, seen, problems)


def _walk(folder: Path, top: str, seen: set[Identity], problems: list[Problem]) -> Iterator[Path]:
    """List files below a folder, sorted, without recursion: folders may lie a thousand deep."""
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        try:
            status = os.stat(path)
        except FileNotFoundError:  # a link to nothing, which reading will name
            yield path
            continue
        except OSError as error:
            problems.append(Problem(str(path), f'cannot be looked at: {error.strerror}'))
            continue
        if path != folder and not stat.S_ISDIR(status.st_mode):
            yield path
            continue
        if path != folder and path.is_symlink() and _within(os.path.realpath(path), top):
            continue
        if (here := (status.st_dev, status.st_ino)) in seen:
            continue
        seen.add(here)
        try:
            with os.scandir(path) as listing:
                names = sorted((entry.name for entry in listing if not entry.name.startswith('.')), reverse=True)
        except OSError as error:
            problems.append(Problem(str(path), f'cannot be searched: {error.strerror}'))
            continue
        waiting += [path / name for name in names]


def _match(pattern: str, output: Path, problems: list[Problem]) -> Iterator[Found]:
    """List the images that match a pattern; a matched folder stands for all below it."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    base = Path(*parts[:fixed])
    ending = Path(pattern).suffix
    if '**' in parts:
        # Not by the module glob, which goes round and round where links lead in circles.
        matches = [
            path
            for path in (_walk_below(base, output, problems) if os.path.isdir(base) else ())
            if _fits(path.relative_to(base).parts, parts[fixed:])
        ]
    else:
        matches = [Path(name) for name in sorted(glob.glob(pattern))]
    avoided = os.path.realpath(output)
    same = avoided == os.path.realpath(base)
    for path in matches:
        if not same and _within(os.path.realpath(path), avoided):
            continue
        if os.path.isdir(path):
            files = list(_search(path, output, problems))
        elif path.suffix.lower() in READ_SUFFIXES or (ending and not glob.has_magic(ending)):
            files = [path]
        else:
            files = []
        yield from (Found(file, file.relative_to(base), False) for file in files)


def _fits(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Match the parts of a path with those of a pattern, where `**` stands for any number of folders, or for all."""
    if not pattern:
        return not names
    if pattern[0] == '**':
        return len(pattern) == 1 or any(_fits(names[i:], pattern[1:]) for i in range(len(names)))
    return bool(names) and fnmatch.fnmatchcase(names[0], pattern[0]) and _fits(names[1:], pattern[1:])


def identity(path: Path) -> Identity:
    """Return what two names of the same file or folder have in common, also through links.

    Args:
        path: An existing file or folder.

    Raises:
        OSError: If it doesn't exist or can't be looked at.
    """
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
