"""The one reader of images, for training, preparation and denoising.

The format is decided from the bytes, and the file is opened with the reader of exactly that format: libvips for PNG,
JPEG, TIFF and AVIF, Pillow for WebP, GIF, BMP and HEIC, LibRaw for raw files. libvips' other readers (drawings, tables,
memory dumps, whatever a build has) are blocked for the process. Everything here may be used after a fork: libvips
decodes in the calling thread, as its own threads would be missing in the child.
"""

import io
import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyvips
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.WebPImagePlugin import WebPImageFile

from amsnet_basicsr.images.exif import read_tiff_exif, upright
from amsnet_basicsr.images.formats import START, format_of
from amsnet_basicsr.images.image import ImageData, ImageError, Metadata, with_channels
from amsnet_basicsr.images.plain import decode_plain
from amsnet_basicsr.images.png import read_png_head
from amsnet_basicsr.images.size_limit import check_size
from amsnet_basicsr.images.tiff import check_tiff, is_raw
from amsnet_basicsr.utils.text import first_line

_HEIF, _RAWPY = find_spec('pi_heif') or find_spec('pillow_heif'), find_spec('rawpy')
HEIF_SUFFIXES = ('.heic', '.heif')
RAW_SUFFIXES = ('.dng', '.nef', '.nrw', '.arw', '.cr2', '.cr3', '.raf', '.rw2', '.orf', '.pef', '.srw')
READ_SUFFIXES = (
    *('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.webp', '.bmp', '.avif'),
    *(HEIF_SUFFIXES if _HEIF else ()),
    *(RAW_SUFFIXES if _RAWPY else ()),
)
"""Names of files that count as images where a folder is searched. A file named singly may be of any kind."""
_CONVERT = 'convert them to PNG or TIFF'
UNREAD_SUFFIXES = {
    **dict.fromkeys(('.jxl', '.jp2', '.j2k', '.jpx', '.psd', '.xcf', '.exr', '.hdr', '.tga', '.ico'), _CONVERT),
    **dict.fromkeys(('.ppm', '.pgm', '.pnm', '.pbm', '.svg', '.pdf', '.eps', '.dcm', '.fits'), _CONVERT),
    **({} if _HEIF else dict.fromkeys(HEIF_SUFFIXES, 'pip install "amsnet-basicsr[heif]" reads them')),
    **({} if _RAWPY else dict.fromkeys(RAW_SUFFIXES, 'pip install "amsnet-basicsr[raw]" reads them')),
    '.gif': 'read if named one by one',
}
"""Names of images that are not read where a folder is searched, and what to do about it."""

_VIPS_LOADERS = {'JPEG': 'Jpeg', 'PNG': 'Png', 'TIFF': 'Tiff', 'AVIF': 'Heif'}
_PILLOW_READERS: dict[str, type[ImageFile]] = {'WebP': WebPImageFile, 'GIF': GifImageFile, 'BMP': BmpImageFile}
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
_STRIP_BYTES = 2**22
_LARGEST_RESOLUTION = 10**7
#: Motion photos and Ultra HDR images: XMP that counts on what stands behind the image in the file.
_TELLS_OF_MORE = re.compile(rb'GCamera:Mo|GCamera:Micro|hdrgm:|Container:Directory|HDRGainMap')

pyvips.operation_block_set('VipsForeignLoad', True)
for _loader in _VIPS_LOADERS.values():
    pyvips.operation_block_set(f'VipsForeignLoad{_loader}', False)


def read_image(path: Path | str, max_pixels: int | None = None) -> ImageData:
    """Read an image: upright, at its own bit depth, with alpha and metadata.

    Palettes become RGB, one-bit images grey. What can't go through denoising unharmed is refused, not bent: CMYK and
    other colour spaces than grey and RGB, floating point, several pages or frames.

    Args:
        path: JPEG, PNG, TIFF, WebP, BMP, GIF or AVIF file, whatever its name ends in; HEIC with the extra `heif`, a
            camera's raw file with `raw`, developed by LibRaw with the camera's white balance to sRGB of 16 bit.
        max_pixels: Largest size that is decoded; None is `pixel_limit`. A small file may claim any size.

    Returns:
        The image.

    Raises:
        ImageError: If the file is missing, damaged, cut off, no image, or one of those refused.
    """
    with _named(path), _open(path) as file:
        return _read(file, max_pixels)


def read_bytes(path: Path | str) -> bytes:
    """Read a regular file; reading a pipe or a device would wait, or go on, for ever.

    Raises:
        ImageError: If it can't be read; the message starts with the path.
    """
    with _named(path), _open(path) as file:
        return file.read()


def read_size(path: Path | str) -> tuple[int, int]:
    """Read height and width of an image, upright, from its header alone.

    Raises:
        ImageError: If it can't be read, or claims too many pixels; the message starts with the path.
    """
    with _named(path), _open(path) as file:
        kind = _format(file)
        if kind == 'raw' and _RAWPY:
            return _read_raw(file, None).pixels.shape[:2]
        image = _header(file, kind)
        size = image.height, image.width
        return size[::-1] if _orientation(image) in (5, 6, 7, 8) else size


def decode_image(content: bytes, name: str, channels: int = 3) -> np.ndarray:
    """Decode an image as training reads it: upright, without metadata, with as many channels as the network takes.

    Args:
        content: The file's bytes.
        name: What to call the image in an error.
        channels: 3 for RGB (grey images have three equal channels), 1 for grey (of colour images the luminance), 4 for
            RGB and alpha, which may hold anything.

    Returns:
        The image, (H, W, channels), uint8 or uint16, with the pixels that `read_image` gives.

    Raises:
        ImageError: As of `read_image`, and if 4 channels are asked for and the image has others; the message starts
            with `name`.
    """
    with _named(name):
        pixels, alpha = decode_plain(content), None
        if pixels is None:
            image = _read(io.BytesIO(content), None, content)
            pixels, alpha = image.pixels, image.alpha
        return with_channels(pixels, alpha, channels)


@contextmanager
def _named(name: Path | str) -> Iterator[None]:
    """Turn what goes wrong into an `ImageError` that starts with the name."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f'{name}: {error}') from None
    except pyvips.Error as error:
        raise ImageError(f'{name}: {_vips_reason(error)}') from None
    except MemoryError:
        raise ImageError(f'{name}: there is not enough memory to read it') from None
    except OSError as error:
        if error.errno is None:  # Pillow's
            raise ImageError(f'{name}: damaged or cut off ({first_line(error)})') from None
        raise ImageError(f'{name}: cannot be read: {error.strerror}') from None
    except (ValueError, SyntaxError, struct.error, LookupError, ArithmeticError) as error:  # Pillow's too
        raise ImageError(f'{name}: damaged or cut off ({first_line(error)})') from None


def _open(path: Path | str) -> BinaryIO:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        if os.path.islink(path) and not os.path.exists(path):
            raise ImageError('it is a link to nothing') from None
        raise
    if not stat.S_ISREG(mode):
        raise ImageError('it is a folder' if stat.S_ISDIR(mode) else 'it is no regular file')
    return open(path, 'rb')


def _format(file: BinaryIO) -> str:
    start = file.read(START)
    file.seek(0)
    if not start:
        raise ImageError('the file is empty')
    kind = format_of(start)
    if kind == 'TIFF':
        kind = 'raw' if is_raw(file) else kind
        file.seek(0)
    return kind


def _header(
    file: BinaryIO, kind: str, max_pixels: int | None = None, content: bytes | None = None
) -> pyvips.Image | ImageFile:
    """Open a file with the reader of its format, and refuse a size that is too large."""
    image: pyvips.Image | ImageFile
    if kind in _PILLOW_READERS:  # not Image.open, which has a limit of its own
        image = _PILLOW_READERS[kind](file)
    elif kind == 'HEIC' and _HEIF:
        image = import_module(_HEIF.name).HeifImageFile(file)
    elif kind in _VIPS_LOADERS:
        # From a descriptor, as libvips takes brackets in names for options; from one of its own, which it copies, as
        # its place in the file must not move under ours. Sequential: it need not hold the image too.
        if content:
            source = pyvips.Source.new_from_memory(content)
        else:
            with open(file.name, 'rb') as own:
                source = pyvips.Source.new_from_descriptor(own.fileno())
        load = getattr(pyvips.Image, f'{_VIPS_LOADERS[kind].lower()}load_source')
        image = load(source, access='sequential', fail_on='error')
    else:
        extra = {'HEIC': 'heif', 'raw': 'raw'}.get(kind)
        how = f'it takes pip install "amsnet-basicsr[{extra}]", or' if extra else 'it must be'
        name = "a camera's raw file" if kind == 'raw' else f'a {kind} file'
        raise ImageError(f'{name}: to read it, {how} converted to TIFF or PNG first')
    check_size(image.width, image.height, max_pixels)
    return image


def _read_raw(file: BinaryIO, max_pixels: int | None) -> ImageData:
    import rawpy

    try:
        with rawpy.imread(file) as raw:
            check_size(raw.sizes.width, raw.sizes.height, max_pixels)
            pixels = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16)
    except rawpy.LibRawError as error:
        reason = b''.join(part for part in error.args if isinstance(part, bytes)).decode(errors='replace')
        raise ImageError(f'a raw file, or one that begins with a thumbnail; LibRaw cannot read it ({reason})') from None
    return ImageData(pixels, None, Metadata(), ('developed from a raw file; its metadata are left out',))


def _orientation(image: pyvips.Image | ImageFile) -> int:
    if isinstance(image, ImageFile):
        return image.getexif().get(Base.Orientation, 1)
    return image.get('orientation') if image.get_typeof('orientation') else 1


def _read(file: BinaryIO, max_pixels: int | None, content: bytes | None = None) -> ImageData:
    kind = _format(file)
    if kind == 'raw' and _RAWPY:
        return _read_raw(file, max_pixels)
    image = _header(file, kind, max_pixels, content)
    if isinstance(image, ImageFile):
        pixels, channels, metadata = _read_pillow(image)
    else:
        channels, metadata = _channels(image), _metadata(image, file)
        pixels = _pixels(image)
    pixels = _turn_upright(pixels, _orientation(image))
    alpha = np.ascontiguousarray(pixels[..., channels]) if pixels.shape[2] > channels else None
    metadata, notes = _without_what_is_gone(metadata)
    return ImageData(np.ascontiguousarray(pixels[..., :channels]), alpha, metadata, notes)


def _channels(image: pyvips.Image) -> int:
    """Return 3 for RGB and 1 for grey, with or without alpha, and refuse all else."""
    _check_frames(image.get_n_pages())
    channels = _CHANNELS.get(image.interpretation)
    if channels is None or image.format not in ('uchar', 'ushort'):
        kind = _TYPES.get(image.format) or _COLOUR_SPACES.get(image.interpretation, image.interpretation)
        raise ImageError(f'its pixels are {kind}; convert it to RGB or grey of 8 or 16 bit first')
    if image.bands not in (channels, channels + 1):
        raise ImageError(f'it has {image.bands} channels; convert it to RGB or grey first')
    return channels


def _check_frames(count: int) -> None:
    if count > 1:
        raise ImageError(f'it holds {count} pages or frames; save one of them as an image of its own')


def _pixels(image: pyvips.Image) -> np.ndarray:
    """Decode strip by strip, in this thread, into (H, W, C)."""
    dtype = np.uint8 if image.format == 'uchar' else np.uint16
    pixels = np.empty((image.height, image.width, image.bands), dtype)
    region = pyvips.Region.new(image)
    step = max(1, _STRIP_BYTES // pixels[0].nbytes)
    for top in range(0, image.height, step):
        strip = pixels[top : top + step]
        strip[...] = np.frombuffer(region.fetch(0, top, image.width, len(strip)), dtype).reshape(strip.shape)
    return pixels


def _metadata(image: pyvips.Image, file: BinaryIO) -> Metadata:
    icc, xmp, exif = (
        bytes(image.get(key)) if image.get_typeof(key) else None
        for key in ('icc-profile-data', 'xmp-data', 'exif-data')
    )
    metadata = Metadata(upright(exif), icc, _upright_xmp(xmp))
    if image.get_typeof('resolution-unit'):
        metadata = replace(metadata, resolution=(round(image.xres * 25.4, 3), round(image.yres * 25.4, 3)))
    kind = image.get('vips-loader')[:4]
    file.seek(0)
    if kind == 'tiff':
        check_tiff(file)
        file.seek(0)
        metadata = replace(metadata, exif=read_tiff_exif(file))
        if metadata.resolution is None and (image.xres, image.yres) != (1, 1):
            metadata = replace(metadata, density=(round(image.xres, 5), round(image.yres, 5)))
    elif kind == 'jpeg' and (start := file.read(18))[6:11] == b'JFIF\0':
        unit, *density = struct.unpack_from('>BHH', start, 13)
        if unit == 0 and all(density) and density != [1, 1]:
            metadata = replace(metadata, density=tuple(density))
    elif kind == 'pngl':
        metadata = replace(metadata, **read_png_head(file))
    return metadata


def _without_what_is_gone(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Leave out what is damaged, and what tells of parts of the file that are not kept, and say so."""
    notes = []
    for name in ('resolution', 'density'):
        values = getattr(metadata, name)
        if values and not all(0 < value < _LARGEST_RESOLUTION for value in values):
            metadata = metadata.without(name)
            notes.append('its resolution is damaged and left out')
    if metadata.xmp and _TELLS_OF_MORE.search(metadata.xmp):
        metadata = replace(metadata, xmp=None)
        notes.append('the video or HDR gain map behind its pixels is left out, and the XMP that tells of it')
    return metadata, tuple(notes)


def _upright_xmp(xmp: bytes | None) -> bytes | None:
    """Set the orientation in an XMP packet to 1, as the pixels will be upright; the packet keeps its length."""
    return xmp and re.sub(rb'(tiff:Orientation(?:\s*=\s*["\']|>))[2-8](?=["\'<])', rb'\g<1>1', xmp)


def _turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror pixels (H, W, C) as EXIF's orientation 1 to 8 asks for."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _read_pillow(image: ImageFile) -> tuple[np.ndarray, int, Metadata]:
    """Decode pixels, (H, W, C), tell how many channels are colours, and read what goes along."""
    _check_frames(getattr(image, 'n_frames', 1))
    info = image.info
    mode = 'RGBA' if image.mode == 'RGBA' or 'transparency' in info else 'L' if image.mode in ('1', 'L') else 'RGB'
    pixels = np.array(image.convert(mode)).reshape(image.height, image.width, -1)
    resolution = info.get('dpi') if all(info.get('dpi', ())) else None
    exif, xmp = upright(info.get('exif')), _upright_xmp(info.get('xmp'))
    return pixels, 1 if mode == 'L' else 3, Metadata(exif, info.get('icc_profile'), xmp, resolution)


def _vips_reason(error: pyvips.Error) -> str:
    lines = (error.detail or error.message or '').strip().splitlines()
    reason = lines[0].removeprefix('VipsForeignLoad: ') if lines else 'unknown error'
    if 'labq' in reason:
        return 'its pixels are CIELAB; convert it to RGB first'
    return f'damaged or cut off ({reason})'
