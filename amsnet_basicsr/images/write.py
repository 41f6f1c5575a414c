"""Writing images in the format that their name asks for."""

import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pyvips
from PIL import Image
from PIL.ExifTags import Base

from amsnet_basicsr.images.image import ImageData, ImageError, to_8_bit
from amsnet_basicsr.images.metadata import EXIF_MARK, pack, read_tags
from amsnet_basicsr.images.png import HEADER_BYTES, chunk
from amsnet_basicsr.images.tiff import write_tiff
from amsnet_basicsr.utils.atomic_write import atomic_write, write_error
from amsnet_basicsr.utils.text import first_line

#: The longest blocks that one segment of a JPEG file holds.
_JPEG_LIMITS = {'exif': 65533, 'xmp': 65533 - 29}
_RESOLUTION = (Base.XResolution, Base.YResolution)
#: Flags of libvips' VipsForeignKeep.
_ALL_BUT_EXIF = 0b11110
#: Start and length of the chunk that libvips always writes: a resolution, 72 dots an inch if it knows none.
_INVENTED = (b'\0\0\0\x09pHYs', 21)


def write_image(path: Path | str, image: ImageData, quality: int = 95, overwrite: bool = False) -> list[str]:
    """Write an image in the format that the name asks for, whole or not at all.

    16 bit become 8 where the format has no more, rounded once. Alpha is kept where the format has it; where it has not,
    only alpha that is opaque everywhere may be left out.

    Args:
        path: File to write; its suffix is one of `WRITE_SUFFIXES`.
        image: The image.
        quality: Quality of JPEG, WebP and AVIF, 1 to 100.
        overwrite: Whether an existing file may be replaced.

    Returns:
        What the format could not keep, a phrase each. If it can't hold the image at all, that is an `ImageError`.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITE_SUFFIXES:
        raise ImageError(f'{path}: cannot write {suffix or "a file without suffix"}; use {", ".join(WRITE_SUFFIXES)}')
    try:
        image, losses = _fit(image, suffix)
        with atomic_write(path, overwrite, sync=True) as file:
            losses += _encode(file, image, suffix, quality)
    except pyvips.Error as error:
        raise ImageError(f'{path}: cannot be written: {first_line(error)}') from None
    except ImageError as error:
        raise ImageError(f'{path}: {error}') from None
    except OSError as error:
        raise ImageError(write_error(path, error)) from None
    except (ValueError, RuntimeError, struct.error) as error:  # the format's limits, of size above all
        raise ImageError(f'{path}: cannot be written as {suffix}: {error}') from None
    return [*image.notes, *losses]


def _encode(file: BinaryIO, image: ImageData, suffix: str, quality: int) -> list[str]:
    """Encode; metadata that turn out to be damaged must not keep an image from being written."""
    parts = [name for name in ('exif', 'icc', 'xmp', 'resolution') if getattr(image.metadata, name)]
    failure: Exception | None = None
    for left_out in ([], *([part] for part in parts), parts):
        metadata = image.metadata.without(*left_out)
        file.seek(0)
        file.truncate()
        try:
            _FORMATS[suffix].encode(file, replace(image, metadata=metadata), quality)
        except Exception as error:
            if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno):
                raise
            failure = failure or error
        else:
            names = ', '.join(name if name == 'resolution' else name.upper() for name in left_out)
            return [f'its {names} is damaged and left out'] if left_out else []
    assert failure is not None
    raise failure


def _fit(image: ImageData, suffix: str) -> tuple[ImageData, list[str]]:
    """Make an image one that the format can hold, and say what is lost."""
    losses = []
    if image.alpha is not None and not _FORMATS[suffix].alpha:
        if image.alpha.min() < np.iinfo(image.alpha.dtype).max:
            raise ImageError(f'{suffix} holds no alpha channel, which the image needs; write it as .png')
        image = replace(image, alpha=None)
    if image.bits > _FORMATS[suffix].bits:
        image = to_8_bit(image)
        losses.append(f'16 bit are rounded to 8, as {suffix} has no more')
    metadata = image.metadata
    is_whole = all(value == int(value) < 2**16 for value in metadata.density or ())
    if metadata.density and suffix not in ('.tif', '.tiff', *(('.jpg', '.jpeg', '.png') if is_whole else ())):
        metadata = metadata.without('density')
        losses.append(f'its resolution, which names no unit, is left out, as {suffix} cannot hold it')
    if suffix == '.bmp' and (metadata.exif or metadata.icc or metadata.xmp):
        losses.append('metadata are left out, as .bmp has no place for them')
    if suffix != '.png' and metadata.png_colour:
        losses.append(f"PNG's colour chunks are left out, as {suffix} has no place for them")
    if suffix in ('.jpg', '.jpeg'):
        for name, limit in _JPEG_LIMITS.items():
            if len(getattr(metadata, name) or b'') > limit:
                metadata = metadata.without(name)
                losses.append(f'{name.upper()} is left out: more than the 64 KiB that {suffix} holds')
    return replace(image, metadata=metadata), losses


def _by_pillow(kind: str, file: BinaryIO, image: ImageData, quality: int) -> None:
    pixels, alpha, metadata = image.pixels, image.alpha, image.metadata
    if alpha is not None:
        pixels = np.dstack([pixels] * (3 if image.grey else 1) + [alpha])
    settings: dict[str, object] = {'exif': metadata.exif, 'icc_profile': metadata.icc, 'xmp': metadata.xmp}
    settings['dpi'] = metadata.resolution or (kind == 'BMP' and (0, 0))  # else Pillow writes 96
    settings = {name: value for name, value in settings.items() if value}
    if kind != 'BMP':
        settings['quality'] = quality
    # Of a block with an orientation, Pillow makes another for AVIF, and less well. A resolution has no other place.
    if (metadata.exif and kind == 'AVIF') or (metadata.resolution and not metadata.exif and kind in ('AVIF', 'WEBP')):
        tags = read_tags(metadata.exif) if metadata.exif else {}
        if metadata.resolution:
            tags |= {**dict(zip(_RESOLUTION, metadata.resolution, strict=True)), Base.ResolutionUnit: 2}
        settings['exif'] = pack(tags)
    if kind == 'WEBP':
        settings['exact'] = True  # colours below transparent pixels stay
    if kind in ('JPEG', 'AVIF'):
        settings['subsampling'] = '4:4:4' if quality >= 90 else '4:2:0'
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, kind, **settings)
    if kind == 'JPEG' and metadata.density and not metadata.resolution:
        file.seek(13)  # in the JFIF header, which Pillow writes first: no unit, and the two numbers
        file.write(struct.pack('>BHH', 0, *map(int, metadata.density)))


def _png(file: BinaryIO, image: ImageData, _quality: int) -> None:
    """Encode by libvips, which has 16 bit colour, but give it no EXIF: it would empty its maker notes."""
    metadata = image.metadata
    vips = to_vips(image)
    for key, blob in (('icc-profile-data', metadata.icc), ('xmp-data', metadata.xmp)):
        if blob:
            vips.set_type(pyvips.GValue.blob_type, key, blob)
    chunks = metadata.png_colour
    if density := metadata.resolution or metadata.density:
        x, y = (round(value / 0.0254) if metadata.resolution else round(value) for value in density)
        chunks += chunk(b'pHYs', struct.pack('>IIB', x, y, bool(metadata.resolution)))
    if metadata.exif:
        chunks += chunk(b'eXIf', metadata.exif.removeprefix(EXIF_MARK))
    head, failures = bytearray(), list[BaseException]()

    def write(data: bytes) -> int:
        try:
            if b'IDAT' in head:
                file.write(data)
            else:
                head.extend(data)
                if b'IDAT' in head:
                    file.write(_with_chunks(head, chunks))
        except BaseException as error:  # an interruption too: nothing passes through libvips by itself
            failures.append(error)
            return -1
        return len(data)

    target = pyvips.TargetCustom()
    target.on_write(write)
    try:
        vips.pngsave_target(target, bitdepth=image.bits, keep=_ALL_BUT_EXIF)
    except pyvips.Error:
        raise failures[0] if failures else ValueError('libvips could not encode it') from None


def _with_chunks(head: bytearray, chunks: bytes) -> bytearray:
    """Put chunks into the beginning of a PNG, instead of the resolution that libvips makes up."""
    start, length = _INVENTED
    place = head.find(start, HEADER_BYTES)
    if 0 < place < head.find(b'IDAT'):
        head = head[:place] + head[place + length :]
    return head[:HEADER_BYTES] + chunks + head[HEADER_BYTES:]


def to_vips(image: ImageData) -> pyvips.Image:
    """Make an image of libvips of the pixels and alpha, without metadata."""
    kind = {(True, 8): 'b-w', (True, 16): 'grey16', (False, 8): 'srgb', (False, 16): 'rgb16'}[image.grey, image.bits]
    vips = pyvips.Image.new_from_array(np.ascontiguousarray(image.pixels), interpretation=kind)
    if image.alpha is not None:
        vips = vips.bandjoin(pyvips.Image.new_from_array(np.ascontiguousarray(image.alpha)))
    return vips


class _Format(NamedTuple):
    """How a format is written: the bits of a channel that it holds, and whether it holds alpha."""

    encode: Callable[[BinaryIO, ImageData, int], None]
    bits: int = 8
    alpha: bool = True


_JPEG = _Format(partial(_by_pillow, 'JPEG'), alpha=False)
_TIFF = _Format(write_tiff, bits=16)
_FORMATS = {
    '.jpg': _JPEG,
    '.jpeg': _JPEG,
    '.png': _Format(_png, bits=16),
    '.tif': _TIFF,
    '.tiff': _TIFF,
    '.webp': _Format(partial(_by_pillow, 'WEBP')),
    '.avif': _Format(partial(_by_pillow, 'AVIF')),
    # Pillow writes alpha into BMP, but not so that it is recognised as such.
    '.bmp': _Format(partial(_by_pillow, 'BMP'), alpha=False),
}
WRITE_SUFFIXES = tuple(_FORMATS)
"""What `write_image` can write."""
SIXTEEN_BIT_SUFFIXES = tuple(suffix for suffix, kept in _FORMATS.items() if kept.bits == 16)
"""Formats that keep 16 bit a channel; the others round to 8."""
