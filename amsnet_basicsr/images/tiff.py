"""TIFF files with everything in them: tifffile writes no EXIF or GPS directories, and Pillow no 16 bit colour."""

import logging
import struct
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from amsnet_basicsr.images.image import ImageData, ImageError
from amsnet_basicsr.images.metadata import read_tags
from amsnet_basicsr.utils.text import first_line

# It logs every tag that is damaged, to stderr where nobody has set up logging.
logging.getLogger('tifffile').addHandler(logging.NullHandler())

_STRIP_BYTES = 2**20
_DNG_VERSION = 50706
_SENSOR = (32803, 34892)
"""Photometric interpretations of raw files: colour filter array, linear raw."""


def is_raw(file: BinaryIO) -> bool:
    """Tell whether a TIFF is a raw file, or another that begins with a thumbnail of what is meant.

    One whose pixels are not all there is an `ImageError`; libvips would read it in part without a word.
    """
    size = file.seek(0, 2)
    file.seek(0)
    try:
        page: Any = tifffile.TiffFile(file).pages.first
        is_reduced, parts = page.subfiletype & 1, zip(page.dataoffsets, page.databytecounts, strict=False)
    except Exception as error:  # damaged in any way
        raise ImageError(f'damaged or cut off ({first_line(error)})') from None
    try:
        within = [(one.size, one.photometric) for one in page.pages or ()]
    except Exception:  # damaged sub-directories say nothing
        within = []
    is_thumbnail = any(pixels > page.size or photometric in _SENSOR for pixels, photometric in within)
    if _DNG_VERSION in page.tags or page.photometric in _SENSOR or is_reduced or is_thumbnail:
        return True
    if any(start + length > size for start, length in parts):
        raise ImageError('damaged or cut off (pixels are missing)')
    return False


def count_images(file: BinaryIO) -> int:
    """Count the pages of a TIFF but for the small copies that programs put behind an image."""
    file.seek(0)
    pages: Any = tifffile.TiffFile(file).pages
    return sum(not page.subfiletype & 1 for page in pages)


def write_tiff(file: BinaryIO, image: ImageData, _quality: int) -> None:
    """Write a TIFF, losslessly compressed, to an empty file open for reading and writing."""
    data = image.pixels if image.alpha is None else np.dstack([image.pixels, image.alpha])
    metadata = image.metadata
    tifffile.imwrite(
        file,
        data[..., 0] if data.shape[2] == 1 else data,
        byteorder='<',
        photometric='minisblack' if image.grey else 'rgb',
        planarconfig='contig' if data.shape[2] > 1 else None,
        extrasamples=None if image.alpha is None else ['unassalpha'],
        compression='zlib',
        rowsperstrip=max(1, _STRIP_BYTES // max(1, data[0].nbytes)),
        buffersize=16 * _STRIP_BYTES,  # else it holds up to 256 MiB of compressed strips
        resolution=metadata.resolution or metadata.density,
        resolutionunit='inch' if metadata.resolution else 'none' if metadata.density else None,
        metadata=None,
        iccprofile=metadata.icc,
        extratags=[(700, 1, len(metadata.xmp), metadata.xmp, True)] if metadata.xmp else [],
        software=False,
    )
    if metadata.exif:
        _add_tags(file, read_tags(metadata.exif))


def _add_tags(file: BinaryIO, tags: dict[int, object]) -> None:
    """Give a little-endian TIFF file a new first directory at its end: the old one's entries and further ones."""
    file.seek(0)
    if file.read(4) != b'II*\0':  # beyond 4 GiB, where directories look different
        return
    added = ImageFileDirectory_v2(prefix=b'II')
    added.update(tags)
    start = file.seek(0, 2)
    start = file.seek(start + start % 2)
    appended = added.tobytes(start)
    file.write(appended)
    place = start + len(appended) + len(appended) % 2
    entries = _entries(file, start)
    file.seek(4)
    entries |= _entries(file, struct.unpack('<I', file.read(4))[0])
    file.seek(place)
    file.write(struct.pack('<H', len(entries)) + b''.join(entries[tag] for tag in sorted(entries)) + b'\0' * 4)
    file.seek(4)
    file.write(struct.pack('<I', place))


def _entries(file: BinaryIO, place: int) -> dict[int, bytes]:
    """Read the entries of a directory: a tag, a type, a count and a value or its place in the file, 12 bytes each."""
    file.seek(place)
    count = struct.unpack('<H', file.read(2))[0]
    entries = [file.read(12) for _ in range(count)]
    return {struct.unpack_from('<H', entry)[0]: entry for entry in entries}
