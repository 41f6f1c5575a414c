"""Which noisy image belongs to which clean one, by their names."""

import os.path as osp
import re
import struct
from collections.abc import Mapping
from typing import BinaryIO

from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from amsnet_basicsr.images.decode import open_regular
from amsnet_basicsr.images.size_limit import pixel_limit, size_error
from amsnet_basicsr.utils.text import name_some

_KINDS: dict[bytes, type[ImageFile]] = {
    b'\x89PNG': PngImageFile, b'\xff\xd8\xff': JpegImageFile, b'BM': BmpImageFile, b'RIFF': WebPImageFile,
    b'II': TiffImageFile, b'MM': TiffImageFile,
}  # fmt: skip
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width


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
    """Compare the sizes of pairs, from the files' headers.

    Args:
        pairs: Paths of noisy and clean images.

    Raises:
        ValueError: If the two of a pair differ, or one cannot be read; all such pairs are counted, the first are named.
    """
    problems = []
    for noisy, clean in pairs:
        try:
            sizes = [_size(path) for path in (noisy, clean)]
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


def _size(path: str) -> tuple[int, int]:
    """Height and width of an upright image."""
    with open_regular(path) as file:
        try:
            image = _open(file)
            width, height = image.size
            # Before its EXIF is asked for: to find that, Pillow may decode all of a PNG.
            refused = size_error(width, height, pixel_limit())
            turned = not refused and image.getexif().get(Base.Orientation) in _TURNED
        except (OSError, ValueError, SyntaxError, struct.error, LookupError, ArithmeticError):
            raise ValueError(f'{path} cannot be read: it is no image, or damaged') from None
    if refused:
        raise ValueError(f'{path} is refused: {refused}')
    return (width, height) if turned else (height, width)


def _open(file: BinaryIO) -> ImageFile:
    """Open an image without Pillow's own limit of size, which cannot be told a higher one for one image."""
    start = file.read(12)
    file.seek(0)
    for signature, kind in _KINDS.items():
        if start.startswith(signature):
            return kind(file)
    raise SyntaxError
