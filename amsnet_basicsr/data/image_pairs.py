"""Which noisy image belongs to which clean one, by their names."""

import os.path as osp
import re

from amsnet_basicsr.data.image_list import find_images
from amsnet_basicsr.images import READ_SUFFIXES, read_size
from amsnet_basicsr.utils.text import name_some


def find_pairs(
    noisy_root: str, clean_root: str, noisy: str | None = None, clean: str | None = None
) -> list[tuple[str, str]]:
    """Find the pairs of noisy and clean images, in the order of their names.

    Args:
        noisy_root: Folder of the noisy ones; subfolders count.
        clean_root: Folder of the clean ones, or the same.
        noisy: Pattern of the noisy ones' names, e.g. `*_Real.*`. The first `*` stands for what a pair has in common,
            a later one for anything. Letters match in either case. None: pairs have the same name but for the suffix.
        clean: Pattern of the clean ones' names.

    Returns:
        Paths of each pair; both lie in the same subfolder.

    Raises:
        FileNotFoundError: If a folder doesn't exist.
        ValueError: If no image matches, one has no partner, or several have the same one.
    """
    one, other = _by_partner(noisy_root, noisy), _by_partner(clean_root, clean)
    texts = []
    for mine, theirs, root, pattern in ((one, other, noisy_root, noisy), (other, one, clean_root, clean)):
        alone = [path for key, path in sorted(mine.items()) if key not in theirs]
        if alone:
            like = '' if pattern is None else f'like {pattern!r} '
            texts.append(f'{len(alone)} images {like}in {root} ({name_some(alone)})')
    if texts:
        raise ValueError(f'{" and ".join(texts)} have no partner; take them out or add what is missing')
    return [(osp.join(noisy_root, one[key]), osp.join(clean_root, other[key])) for key in sorted(one)]


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


def _by_partner(root: str, pattern: str | None) -> dict[str, str]:
    """List a folder's images, relative to it, by what they have in common with their partners."""
    if not osp.isdir(root):
        raise FileNotFoundError(f'there is no folder {root}')
    expression = None if pattern is None else _expression(pattern)
    found: dict[str, str] = {}
    for path in sorted(osp.relpath(path, root) for path in find_images(root)):
        if expression is None:
            key = osp.splitext(path)[0].lower()
        elif match := expression.fullmatch(osp.basename(path)):
            key = osp.join(osp.dirname(path), match[1].lower())
        else:
            continue
        if found.setdefault(key, path) != path:
            raise ValueError(f'{root}: {found[key]} and {path} would have the same partner; take one of them out')
    if not found:
        what = f'({", ".join(READ_SUFFIXES)})' if pattern is None else f'whose name is like {pattern!r}'
        raise ValueError(f'{root} holds no image {what}')
    return found


def _expression(pattern: str) -> re.Pattern[str]:
    if '*' not in pattern:
        raise ValueError(f"the pattern {pattern!r} needs a * for what the names of a pair have in common: '*_Real.*'")
    before, after = pattern.split('*', 1)
    # Greedy, so that a stem may hold the rest of the pattern too.
    rest = '.*'.join(map(re.escape, after.split('*')))
    return re.compile(f'{re.escape(before)}(.*){rest}', re.IGNORECASE)
