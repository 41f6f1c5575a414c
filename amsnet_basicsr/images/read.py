"""The one reader of images, for training, preparation and denoising.

The format is decided from the bytes, and the file is opened with the decoder of exactly that format: libvips for PNG,
JPEG, TIFF and AVIF, Pillow for WebP, GIF, BMP and HEIC, LibRaw for raw files, and OpenCV for what datasets mostly hold,
plain PNG and JPEG. Everything here may be used after a fork.
"""

import io
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyvips
from PIL.Image import DecompressionBombError

from amsnet_basicsr.images.decoders import Opened, check_size, pillow, raw, vips
from amsnet_basicsr.images.decoders.opencv import decode_plain
from amsnet_basicsr.images.formats import HEIF, RAWPY, START, format_of
from amsnet_basicsr.images.image import ImageData, ImageError, with_channels
from amsnet_basicsr.images.metadata import tidy
from amsnet_basicsr.images.tiff import is_raw
from amsnet_basicsr.utils.text import first_line

#: EXIF orientations that exchange width and height.
_SIDEWAYS = (5, 6, 7, 8)
#: Formats in which a video or a gain map may follow the image.
_MAY_HOLD_MORE = ('JPEG', 'HEIC', 'AVIF')
#: What Pillow and its HEIC plugin raise for damaged files; ValueError includes our own errors.
_PILLOW_RAISES = (
    *(ValueError, SyntaxError, RuntimeError, struct.error),
    *(LookupError, ArithmeticError, OSError, EOFError, DecompressionBombError),
)


def read_image(path: Path | str, max_pixels: int | None = None) -> ImageData:
    """Read an image: upright, at its own bit depth, with alpha and metadata.

    Palettes become RGB, one-bit images grey. What cannot be denoised without loss is refused: CMYK and other colour
    spaces than grey and RGB, floating point, several pages or frames.

    Args:
        path: JPEG, PNG, TIFF, WebP, BMP, GIF or AVIF file, whatever its name ends in; HEIC with the extra `heif`, a
            camera's raw file with `raw`, developed by LibRaw with the camera's white balance to sRGB of 16 bit.
        max_pixels: Largest size that is decoded; None is `pixel_limit`. A small file may claim any size.

    Raises:
        ImageError: If the file is missing, damaged, cut off, no image, or one of those refused. The message starts with
            the path, here and below.
    """
    with _named(path), _open(path) as file:
        return _read(file, max_pixels)


def read_bytes(path: Path | str) -> bytes:
    """Read a regular file; reading a pipe or a device would block or never end."""
    with _named(path), _open(path) as file:
        return file.read()


def read_size(path: Path | str) -> tuple[int, int]:
    """Read height and width of an image, upright, from its header alone."""
    with _named(path), _open(path) as file:
        image = _open_image(file, None)
        size = image.height, image.width
        return size[::-1] if image.orientation in _SIDEWAYS else size


def decode_image(content: bytes, name: str, channels: int = 3) -> np.ndarray:
    """Decode an image as training reads it: upright, without metadata, with as many channels as the network takes.

    Args:
        content: The file's bytes.
        name: What to call the image in an error.
        channels: 3 for RGB (grey images have three equal channels), 1 for grey (of colour images the luminance), 4 for
            RGB and alpha, which may hold anything.

    Returns:
        The image, (H, W, channels), uint8 or uint16, with the pixels that `read_image` gives.
    """
    with _named(name):
        pixels, alpha = decode_plain(content), None
        if pixels is None:
            image = _read(io.BytesIO(content))
            pixels, alpha = image.pixels, image.alpha
        return with_channels(pixels, alpha, channels)


@contextmanager
def _named(name: Path | str) -> Iterator[None]:
    """Turn what goes wrong into an `ImageError` that starts with the name."""
    try:
        yield
    except (*_PILLOW_RAISES, pyvips.Error, MemoryError) as error:
        raise ImageError(f'{name}: {_reason(error)}') from None
    finally:  # libvips keeps messages: they would be the next image's, and pyvips fails at those that are not UTF-8
        pyvips.vips_lib.vips_error_clear()


def _reason(error: Exception) -> str:
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, pyvips.Error):
        return vips.reason(error)
    if isinstance(error, MemoryError):
        return 'there is not enough memory to read it'
    if isinstance(error, DecompressionBombError):  # Pillow's own limit, where a file is opened
        return f'it is too large: {first_line(error)}'
    if isinstance(error, OSError) and error.errno is not None:  # Pillow's have none
        return f'cannot be read: {error.strerror}'
    return f'damaged or cut off ({first_line(error)})'


def _open(path: Path | str) -> BinaryIO:
    if os.path.islink(path) and not os.path.exists(path):
        raise ImageError('it is a link to nothing')
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise ImageError('it is a folder' if stat.S_ISDIR(mode) else 'it is no regular file')
    return open(path, 'rb')


def _open_image(file: BinaryIO, max_pixels: int | None) -> Opened:
    """Open a file with the reader of its format, and refuse a size that is too large (`check_size`)."""
    start = file.read(START)
    if not start:
        raise ImageError('the file is empty')
    kind = format_of(start)
    if kind == 'TIFF' and is_raw(file):
        kind = 'raw'
    file.seek(0)
    if kind == 'raw' and RAWPY:
        return raw.open_image(file, max_pixels)
    if kind in pillow.FORMATS and (HEIF or kind != 'HEIC'):
        opened = pillow.open_image(file, kind)
    elif kind in vips.LOADERS:
        opened = vips.open_image(file, kind)
    else:
        extra = {'HEIC': 'heif', 'raw': 'raw'}.get(kind)
        install = f'pip install "amsnet-basicsr[{extra}]", or ' if extra else ''
        name = "a camera's raw file" if kind == 'raw' else f'a {kind} file'
        raise ImageError(f'{name}: to read it, {install}convert it to TIFF or PNG first')
    check_size(opened.width, opened.height, max_pixels)
    return opened


def _read(file: BinaryIO, max_pixels: int | None = None) -> ImageData:
    opened = _open_image(file, max_pixels)
    pixels, channels, metadata = opened.decode()
    pixels = _turn_upright(pixels, opened.orientation)
    alpha = np.ascontiguousarray(pixels[..., channels]) if pixels.shape[2] > channels else None
    file.seek(0)
    start = file.read(START)
    content = start + file.read() if format_of(start) in _MAY_HOLD_MORE else b''
    metadata, notes = tidy(metadata, content)
    return ImageData(np.ascontiguousarray(pixels[..., :channels]), alpha, metadata, (*opened.notes, *notes))


def _turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror pixels (H, W, C) as EXIF's orientation 1 to 8 asks for."""
    if orientation in _SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
