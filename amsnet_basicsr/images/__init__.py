"""People's own pictures: read and written with bit depth, alpha and metadata kept. Nothing here imports BasicSR.

libvips (through pyvips) decodes and writes PNG, Pillow writes JPEG and WebP and does BMP, tifffile writes TIFF. Pixel
values stay in the colour space of the file, whose ICC profile goes along.
"""

from amsnet_basicsr.images.image import Metadata, Photo, PhotoError, to_8_bit
from amsnet_basicsr.images.read import READ_SUFFIXES, read_photo
from amsnet_basicsr.images.whole_file import whole_file, write_whole
from amsnet_basicsr.images.write import SIXTEEN_BIT_SUFFIXES, WRITE_SUFFIXES, write_photo

__all__ = [
    'READ_SUFFIXES',
    'SIXTEEN_BIT_SUFFIXES',
    'WRITE_SUFFIXES',
    'Metadata',
    'Photo',
    'PhotoError',
    'read_photo',
    'to_8_bit',
    'whole_file',
    'write_photo',
    'write_whole',
]
