"""WebP, GIF, BMP and HEIC, decoded by Pillow."""

from functools import partial
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.WebPImagePlugin import WebPImageFile

from amsnet_basicsr.images.decoders import Opened, refuse_frames
from amsnet_basicsr.images.formats import HEIF
from amsnet_basicsr.images.metadata import Metadata, exif_resolution

FORMATS = ('WebP', 'GIF', 'BMP', 'HEIC')
#: Not `Image.open`, which has a size limit of its own.
_READERS: dict[str, type[ImageFile]] = {'WebP': WebPImageFile, 'GIF': GifImageFile, 'BMP': BmpImageFile}


def open_image(file: BinaryIO, kind: str) -> Opened:
    """Open a file of one of `FORMATS`; HEIC by the module that is installed for it."""
    deep = None
    if kind == 'HEIC' and HEIF:
        module = import_module(HEIF.name)
        image = module.HeifImageFile(file)
        if image.info.get('bit_depth', 8) > 8:  # which Pillow has no colours for
            file.seek(0)
            deep = module.open_heif(file, convert_hdr_to_8bit=False)
    else:
        image = _READERS[kind](file)
    return Opened(image.width, image.height, image.getexif().get(Base.Orientation, 1), partial(decode, image, deep))


def decode(image: ImageFile, deep: Any = None) -> tuple[np.ndarray, int, Metadata]:
    """Decode an opened file, as `Opened.decode` does; `deep` has its pixels as uint16."""
    refuse_frames(getattr(image, 'n_frames', 1))
    info = image.info
    colours = 'L' if image.mode in ('1', 'L', 'LA', 'I;16') and 'transparency' not in info else 'RGB'
    alpha = 'A' * (image.mode in ('LA', 'RGBA') or 'transparency' in info)
    values = np.array(image.convert(colours + alpha) if deep is None else deep)
    resolution = info['dpi'] if all(info.get('dpi') or [0]) else exif_resolution(info.get('exif'))
    metadata = Metadata(info.get('exif'), info.get('icc_profile'), info.get('xmp'), resolution)
    return values.reshape(*values.shape[:2], -1), len(colours), metadata
