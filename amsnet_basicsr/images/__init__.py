"""The user's images: read and written with bit depth, alpha and metadata kept. Nothing here imports BasicSR.

libvips (through pyvips) decodes most formats and writes PNG; Pillow writes JPEG, WebP, AVIF, BMP, tifffile TIFF. Pixel
values stay in the colour space of the file, whose ICC profile goes along.
"""

from amsnet_basicsr.images.formats import READ_SUFFIXES, UNREAD_SUFFIXES
from amsnet_basicsr.images.image import ImageData, ImageError, stretch, to_8_bit, unstretch, used_bits, with_channels
from amsnet_basicsr.images.metadata import Metadata
from amsnet_basicsr.images.read import decode_image, read_bytes, read_image, read_size
from amsnet_basicsr.images.write import SIXTEEN_BIT_SUFFIXES, WRITE_SUFFIXES, to_vips, write_image

__all__ = [
    'READ_SUFFIXES',
    'SIXTEEN_BIT_SUFFIXES',
    'UNREAD_SUFFIXES',
    'WRITE_SUFFIXES',
    'ImageData',
    'ImageError',
    'Metadata',
    'decode_image',
    'read_bytes',
    'read_image',
    'read_size',
    'stretch',
    'to_8_bit',
    'to_vips',
    'unstretch',
    'used_bits',
    'with_channels',
    'write_image',
]
