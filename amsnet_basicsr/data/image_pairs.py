"""Which noisy image belongs to which clean one, by their names."""

import os.path as osp
import re
from collections.abc import Mapping

from amsnet_basicsr.images import read_size
from amsnet_basicsr.utils.text import name_some


def pair_in_folder(root: str, files: list[str], noisy: str, clean: str) -> list[tuple[str, str]]:
    """Pair files of one folder by two patterns.

    Args:
        root: The folder, for messages.
        files: Paths in it, relative to it.
        noisy: Pattern of the noisy ones' names, e.g. `*_Real.*`. The first `*` stands for what a pair has in common,
            a later one for anything. Letters match in either case.
        clean: Pattern of the clean ones' names.

    Returns:
        Pairs of noisy and clean paths, sorted. Both of a pair are in the same subfolder.

    Raises:
        ValueError: If no file matches, a file has no partner, or several have the same one.
    """
    sides = []
    for pattern in (noisy, clean):
        expression = _pattern(pattern)
        found: dict[str, str] = {}
        for path in files:
            if match := expression.fullmatch(osp.basename(path)):
                _add(found, osp.join(osp.dirname(path), match[1].lower()), path, root)
        if not found:
            raise ValueError(f'{root} holds no image whose name is like {pattern!r}')
        sides.append(found)
    return _join(sides[0], sides[1], f'like {noisy!r} in {root}', f'like {clean!r} in {root}')


def pair_folders(
    noisy_root: str, noisy_files: list[str], clean_root: str, clean_files: list[str]
) -> list[tuple[str, str]]:
    """Pair the files of two folders that have the same names, whatever their suffixes.

    Args:
        noisy_root: Folder of the noisy ones, for messages.
        noisy_files: Paths in it, relative to it.
        clean_root: Folder of the clean ones, for messages.
        clean_files: Paths in it, relative to it.

    Returns:
        Pairs of noisy and clean paths, sorted.

    Raises:
        ValueError: If a folder is empty, a file has no partner, or several have the same one.
    """
    sides = []
    for root, files in ((noisy_root, noisy_files), (clean_root, clean_files)):
        if not files:
            raise ValueError(f'{root} holds no image')
        found: dict[str, str] = {}
        for path in files:
            _add(found, osp.splitext(path)[0].lower(), path, root)
        sides.append(found)
    return _join(sides[0], sides[1], f'in {noisy_root}', f'in {clean_root}')


def check_sizes(pairs: list[tuple[str, str]]) -> None:
    """Raise a `ValueError` that counts and names pairs of unequal size, and images whose header cannot be read."""
    problems = []
    for noisy, clean in pairs:
        try:
            sizes = [read_size(path) for path in (noisy, clean)]
        except ValueError as error:
            problems.append(str(error))
            continue
        if sizes[0] != sizes[1]:
            texts = [f'{height}×{width}' for height, width in sizes]
            problems.append(f'{noisy} has {texts[0]} pixels, {clean} {texts[1]}')
    if problems:
        raise ValueError(f'{len(problems)} of {len(pairs)} pairs cannot be compared: {name_some(problems)}')


def _pattern(pattern: str) -> re.Pattern[str]:
    if '*' not in pattern:
        raise ValueError(f"the pattern {pattern!r} needs a * for what the names of a pair have in common: '*_Real.*'")
    before, after = pattern.split('*', 1)
    # Greedy, so that a stem may hold the rest of the pattern too.
    rest = '.*'.join(map(re.escape, after.split('*')))
    return re.compile(f'{re.escape(before)}(.*){rest}', re.IGNORECASE)


def _add(found: dict[str, str], key: str, path: str, root: str) -> None:
    if found.setdefault(key, path) != path:
        raise ValueError(f'{root}: {found[key]} and {path} would have the same partner; take one of them out')


def _join(noisy: Mapping[str, str], clean: Mapping[str, str], where: str, where_clean: str) -> list[tuple[str, str]]:
    alone = [path for key, path in sorted(noisy.items()) if key not in clean]
    alone_clean = [path for key, path in sorted(clean.items()) if key not in noisy]
    if alone or alone_clean:
        groups = ((alone, where), (alone_clean, where_clean))
        texts = [f'{len(paths)} images {place} ({name_some(paths)})' for paths, place in groups if paths]
        raise ValueError(f'{" and ".join(texts)} have no partner; take them out or add what is missing')
    return [(noisy[key], clean[key]) for key in sorted(noisy)]
