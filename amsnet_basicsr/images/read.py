"""Reading images of any usual kind."""

import re
import stat
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyvips
from PIL.BmpImagePlugin import BmpImageFile

from amsnet_basicsr.images.exif import read_tiff_exif, upright
from amsnet_basicsr.images.image import ImageData, ImageError, Metadata
from amsnet_basicsr.images.size_limit import pixel_limit, size_error

READ_SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.webp', '.bmp')
"""Names of files that count as images where a folder is searched. A file named singly may be of any kind."""

#: How files begin that are given to libvips. It would read drawings (SVG), tables and memory dumps too, whose readers
#: are no place for a stranger's file. Signatures at another place than the start stand below.
_SIGNATURES = (
    b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n', b'GIF8', b'II*\0', b'MM\0*', b'II+\0', b'MM\0+',
    b'\xff\x0a', b'\0\0\0\x0cJXL ', b'\0\0\0\x0cjP  ', b'\xff\x4f\xff\x51',
)  # fmt: skip
_TIFF_SIGNATURES = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
_CHANNELS = {'srgb': 3, 'rgb16': 3, 'rgb': 3, 'b-w': 1, 'grey16': 1}
_COLOUR_SPACES = {
    'cmyk': 'CMYK',
    'lab': 'CIELAB',
    'labs': 'CIELAB',
    'scrgb': 'scRGB',
    'multiband': 'of unknown colours',
}
_TYPES = {
    'char': 'signed', 'short': 'signed', 'int': '32 bit', 'uint': '32 bit', 'float': 'floating point',
    'double': 'floating point', 'complex': 'complex', 'dpcomplex': 'complex',
}  # fmt: skip


def read_image(path: Path | str, max_pixels: int | None = None) -> ImageData:
    """Read an image: upright, at its own bit depth, with alpha and metadata.

    Palettes become RGB, one-bit images grey. What can't go through denoising unharmed is refused, not bent: CMYK and
    other colour spaces than grey and RGB, floating point, several pages or frames.

    Args:
        path: JPEG, PNG, TIFF, WebP, BMP, GIF, HEIF, AVIF, JPEG XL or JPEG 2000, as far as libvips was built with them.
        max_pixels: Largest size that is decoded; None is `pixel_limit`. A small file may claim any size.

    Returns:
        The image.

    Raises:
        ImageError: If the file is missing, damaged, cut off, no image, or one of those refused.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ImageError('it is a folder' if path.is_dir() else 'it is no regular file')
        with path.open('rb') as file:
            start = file.read(12)
            file.seek(0)
            if not start:
                raise ImageError('the file is empty')
            max_pixels = _usual_limit() if max_pixels is None else max_pixels
            if start.startswith(b'BM'):
                return _read_bmp(file, max_pixels)
            if not _is_image(start):
                raise ImageError('not an image in a format that can be read')
            return _read_vips(file, start.startswith(_TIFF_SIGNATURES), max_pixels)
    except ImageError as error:
        raise ImageError(f'{path}: {error}') from None
    except OSError as error:
        raise ImageError(f'{path}: cannot be read: {error.strerror or error}') from None
    except MemoryError:
        raise ImageError(f'{path}: there is not enough memory to read it') from None


def _is_image(start: bytes) -> bool:
    return start.startswith(_SIGNATURES) or start[4:8] == b'ftyp' or (start[:4] == b'RIFF' and start[8:] == b'WEBP')


def _read_vips(file: BinaryIO, is_tiff: bool, max_pixels: int) -> ImageData:
    try:
        # From the open file: libvips takes brackets in names for options. Sequential: it need not hold the image too.
        source = pyvips.Source.new_from_descriptor(file.fileno())
        image = pyvips.Image.new_from_source(source, '', access='sequential', fail_on='error')
        _check_size(image.width, image.height, max_pixels)
        channels = _channels(image)
        pixels = np.frombuffer(image.write_to_memory(), np.uint8 if image.format == 'uchar' else np.uint16)
    except pyvips.Error as error:
        reason = first_line(error)
        if 'not in a known format' in reason or 'not a known format' in reason:
            raise ImageError('not an image in a format that can be read') from None
        if 'labq' in reason:
            raise ImageError('its pixels are CIELAB; convert it to RGB first') from None
        raise ImageError(f'damaged or cut off ({reason})') from None
    pixels = pixels.reshape(image.height, image.width, image.bands)
    metadata = _metadata(image)
    if is_tiff:
        file.seek(0)
        metadata['exif'] = read_tiff_exif(file)
    pixels = _turn_upright(pixels, image.get('orientation') if image.get_typeof('orientation') else 1)
    alpha = np.ascontiguousarray(pixels[..., channels]) if pixels.shape[2] > channels else None
    return ImageData(np.ascontiguousarray(pixels[..., :channels]), alpha, Metadata(**metadata))


def _channels(image: pyvips.Image) -> int:
    """Return 3 for RGB and 1 for grey, with or without alpha, and refuse all else."""
    pages = image.get_n_pages()
    if pages > 1:
        raise ImageError(f'it holds {pages} pages or frames; save one of them as an image of its own')
    channels = _CHANNELS.get(image.interpretation)
    if channels is None or image.format not in ('uchar', 'ushort'):
        kind = _TYPES.get(image.format) or _COLOUR_SPACES.get(image.interpretation, image.interpretation)
        raise ImageError(f'its pixels are {kind}; convert it to RGB or grey of 8 or 16 bit first')
    if image.bands not in (channels, channels + 1):
        raise ImageError(f'it has {image.bands} channels; convert it to RGB or grey first')
    return channels


def _metadata(image: pyvips.Image) -> dict[str, bytes | tuple[float, float] | None]:
    blobs = {
        name: bytes(image.get(key))
        for name, key in (('icc', 'icc-profile-data'), ('xmp', 'xmp-data'), ('exif', 'exif-data'))
        if image.get_typeof(key)
    }
    resolution = None
    if image.get_typeof('resolution-unit') or (image.xres, image.yres) != (1, 1):  # 1 a mm stands for unknown
        resolution = (round(image.xres * 25.4, 3), round(image.yres * 25.4, 3))
    xmp = blobs.get('xmp')
    if xmp:  # the pixels will be upright; the packet keeps its length
        xmp = re.sub(rb'(tiff:Orientation(?:\s*=\s*["\']|>))[2-8](?=["\'<])', rb'\g<1>1', xmp)
    return {'icc': blobs.get('icc'), 'xmp': xmp, 'exif': upright(blobs.get('exif')), 'resolution': resolution}


def _turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror pixels (H, W, C) as EXIF's orientation 1 to 8 asks for."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _read_bmp(file: BinaryIO, max_pixels: int) -> ImageData:
    try:
        image = BmpImageFile(file)  # Image.open has a limit of its own, without a way to raise it
        _check_size(image.width, image.height, max_pixels)
        resolution = image.info.get('dpi')
        image = image.convert('L' if image.mode in ('1', 'L') else 'RGBA' if image.mode == 'RGBA' else 'RGB')
    except ImageError:
        raise
    except (OSError, ValueError, SyntaxError, struct.error, LookupError, ArithmeticError) as error:
        raise ImageError(f'damaged or cut off ({error})') from None
    metadata = Metadata(resolution=resolution if resolution and all(resolution) else None)
    pixels = np.array(image).reshape(image.height, image.width, -1)
    if pixels.shape[2] == 4:
        return ImageData(np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3]), metadata)
    return ImageData(pixels, None, metadata)


def _usual_limit() -> int:
    try:
        return pixel_limit()
    except ValueError as error:
        raise ImageError(str(error)) from None


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if reason := size_error(width, height, max_pixels):
        raise ImageError(reason)


def first_line(error: pyvips.Error) -> str:
    """Take the reason out of an error of libvips."""
    lines = (error.detail or error.message or '').strip().splitlines()
    return lines[0].removeprefix('VipsForeignLoad: ') if lines else 'unknown error'
