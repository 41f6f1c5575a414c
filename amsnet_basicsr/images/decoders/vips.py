"""PNG, JPEG, TIFF and AVIF, decoded by libvips.

libvips' other readers (drawings, tables, memory dumps, whatever a build has) are blocked for the process. Pixels are
decoded in the calling thread: after a fork, libvips' own threads would be missing in the child.
"""

import io
import struct
from dataclasses import replace
from functools import partial
from typing import BinaryIO

import numpy as np
import pyvips

from amsnet_basicsr.images.decoders import Opened, refuse_frames
from amsnet_basicsr.images.image import ImageError
from amsnet_basicsr.images.metadata import Metadata, exif_resolution, read_tiff_exif
from amsnet_basicsr.images.png import read_png_metadata
from amsnet_basicsr.images.tiff import count_images

LOADERS = {'JPEG': 'Jpeg', 'PNG': 'Png', 'TIFF': 'Tiff', 'AVIF': 'Heif'}
_CHANNELS = {'srgb': 3, 'rgb16': 3, 'rgb': 3, 'b-w': 1, 'grey16': 1}
#: What is refused, by libvips' name of the type or the colour space.
_REFUSED = {
    'char': 'signed', 'short': 'signed', 'int': '32 bit', 'uint': '32 bit', 'float': 'floating point',
    'double': 'floating point', 'complex': 'complex', 'dpcomplex': 'complex',
    'cmyk': 'CMYK', 'lab': 'CIELAB', 'labs': 'CIELAB', 'scrgb': 'scRGB', 'multiband': 'of unknown colours',
}  # fmt: skip
_STRIP_BYTES = 2**22

pyvips.operation_block_set('VipsForeignLoad', True)
for _loader in LOADERS.values():
    pyvips.operation_block_set(f'VipsForeignLoad{_loader}', False)


def open_image(file: BinaryIO, kind: str) -> Opened:
    """Open a file, or one in memory, by the loader of its format."""
    # From a descriptor, as libvips takes brackets in names for options; from one of its own, which it copies, as its
    # place in the file must not move under ours. Sequential: it need not hold the image too.
    if isinstance(file, io.BytesIO):
        source = pyvips.Source.new_from_memory(file.getvalue())
    else:
        with open(file.name, 'rb') as own:
            source = pyvips.Source.new_from_descriptor(own.fileno())
    load = getattr(pyvips.Image, f'{LOADERS[kind].lower()}load_source')
    image = load(source, access='sequential', fail_on='error')
    orientation = image.get('orientation') if image.get_typeof('orientation') else 1
    return Opened(image.width, image.height, orientation, partial(_decode, image, file, kind))


def _decode(image: pyvips.Image, file: BinaryIO, kind: str) -> tuple[np.ndarray, int, Metadata]:
    pages = image.get_n_pages()
    refuse_frames(count_images(file) if kind == 'TIFF' and pages > 1 else pages)
    channels, metadata = _channels(image), _metadata(image, file, kind)
    return _pixels(image), channels, metadata


def reason(error: pyvips.Error) -> str:
    """Say in a line what libvips finds wrong."""
    lines = (error.detail or error.message or '').strip().splitlines()
    said = lines[0].removeprefix('VipsForeignLoad: ') if lines else 'unknown error'
    if 'labq' in said:
        return 'its pixels are CIELAB; convert it to RGB first'
    return f'damaged or cut off ({said})'


def _channels(image: pyvips.Image) -> int:
    """Return 3 for RGB and 1 for grey, with or without alpha, and refuse all else."""
    channels = _CHANNELS.get(image.interpretation)
    if channels is None or image.format not in ('uchar', 'ushort'):
        kind = _REFUSED.get(image.format) or _REFUSED.get(image.interpretation, image.interpretation)
        raise ImageError(f'its pixels are {kind}; convert it to RGB or grey of 8 or 16 bit first')
    if image.bands not in (channels, channels + 1):
        raise ImageError(f'it has {image.bands} channels; convert it to RGB or grey first')
    return channels


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


def _metadata(image: pyvips.Image, file: BinaryIO, kind: str) -> Metadata:
    icc, xmp, exif = (
        bytes(image.get(key)) if image.get_typeof(key) else None
        for key in ('icc-profile-data', 'xmp-data', 'exif-data')
    )
    metadata = Metadata(exif, icc, xmp)
    if image.get_typeof('resolution-unit'):
        metadata = replace(metadata, resolution=(round(image.xres * 25.4, 3), round(image.yres * 25.4, 3)))
    if kind == 'PNG':
        return replace(metadata, **read_png_metadata(file))
    if kind == 'AVIF':  # libvips takes the unit from EXIF, but not the numbers
        return replace(metadata, resolution=exif_resolution(exif))
    file.seek(0)
    if kind == 'TIFF':
        metadata = replace(metadata, exif=read_tiff_exif(file))
        if metadata.resolution is None and (image.xres, image.yres) != (1, 1):
            metadata = replace(metadata, density=(round(image.xres, 5), round(image.yres, 5)))
    elif kind == 'JPEG' and (start := file.read(18))[6:11] == b'JFIF\0':
        unit, *density = struct.unpack_from('>BHH', start, 13)
        if unit == 0 and all(density) and density != [1, 1]:
            metadata = replace(metadata, density=tuple(density))
    return metadata
