"""TIFF files with everything in them: tifffile writes no EXIF or GPS directories, and Pillow no 16 bit colour."""

import struct
import warnings
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from amsnet_basicsr.images.exif import image_tags
from amsnet_basicsr.images.image import ImageData, ImageError
from amsnet_basicsr.utils.text import first_line

_STRIP_BYTES = 2**20


def check_tiff(file: BinaryIO) -> None:
    """Refuse what libvips reads in part without a word: a file that breaks off, and the thumbnail of a raw file.

    Args:
        file: The file; read from its start.

    Raises:
        ImageError: If it is one of those.
    """
    size = file.seek(0, 2)
    file.seek(0)
    try:
        page = tifffile.TiffFile(file).pages.first
        cut_off = any(
            start + length > size for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)
        )
        raw, thumbnail = 50706 in page.tags, bool(page.subfiletype & 1)  # 50706 is DNGVersion
    except Exception as error:  # damaged in any way
        raise ImageError(f'damaged or cut off ({first_line(error)})') from None
    if raw or thumbnail:
        raise ImageError('a raw file, or one that begins with a thumbnail; convert it to TIFF or PNG first')
    if cut_off:
        raise ImageError('damaged or cut off (pixels are missing)')


def write_tiff(file: BinaryIO, image: ImageData) -> None:
    """Write a TIFF file, losslessly compressed.

    Args:
        file: An empty file, seekable and open for writing and reading.
        image: The image; its EXIF is written as far as it tells of the camera and the image.
    """
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
        exif = Image.Exif()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # Pillow's, on what is damaged
                exif.load(metadata.exif)
                tags = image_tags(exif)
        except Exception:  # damaged metadata of any kind must not keep an image from being written
            return
        _add_tags(file, tags)


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
