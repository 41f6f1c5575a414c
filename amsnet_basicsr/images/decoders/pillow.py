"""WebP, GIF, BMP and HEIC, decoded by Pillow."""

from importlib import import_module
from typing import BinaryIO

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.WebPImagePlugin import WebPImageFile

from amsnet_basicsr.images.exif import upright
from amsnet_basicsr.images.image import Metadata, refuse_frames
from amsnet_basicsr.images.metadata import upright_xmp

READERS: dict[str, type[ImageFile]] = {'WebP': WebPImageFile, 'GIF': GifImageFile, 'BMP': BmpImageFile}
"""By format; not `Image.open`, which has a size limit of its own."""


def open_heif(file: BinaryIO, module: str) -> ImageFile:
    """Open a HEIC file by the module that is installed for it."""
    return import_module(module).HeifImageFile(file)


def orientation(image: ImageFile) -> int:
    """Return EXIF's orientation, 1 to 8."""
    return image.getexif().get(Base.Orientation, 1)


def decode(image: ImageFile) -> tuple[np.ndarray, int, Metadata]:
    """Return pixels (H, W, C), the number of colour channels, and the metadata."""
    refuse_frames(getattr(image, 'n_frames', 1))
    info = image.info
    mode = 'RGBA' if image.mode == 'RGBA' or 'transparency' in info else 'L' if image.mode in ('1', 'L') else 'RGB'
    pixels = np.array(image.convert(mode)).reshape(image.height, image.width, -1)
    resolution = info.get('dpi') if all(info.get('dpi', ())) else None
    exif, xmp = upright(info.get('exif')), upright_xmp(info.get('xmp'))
    return pixels, 1 if mode == 'L' else 3, Metadata(exif, info.get('icc_profile'), xmp, resolution)
