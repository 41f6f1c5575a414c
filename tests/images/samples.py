"""Pixels and metadata to make real files of."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import IFDRational

CASES = Path(__file__).parent / 'cases'
"""Small files that were once read or written wrongly."""
MAKER_NOTE = b'MAKER\0\1\2\3 with places counted from the start of the block'
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d" dc:title="dusk"/></x:xmpmeta>'
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()


def pixels(height: int = 40, width: int = 56, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    """A noisy gradient that uses the whole range, (H, W, C); no row or column equals another."""
    rng = np.random.default_rng(height * width + channels)
    y, x = np.mgrid[:height, :width]
    ramp = (y + 2 * x)[..., None] / max(1, height + 2 * width) * np.arange(1, channels + 1) / channels
    top = np.iinfo(dtype).max
    return (ramp * top + rng.normal(0, top / 30, (height, width, channels))).clip(0, top).astype(dtype)


def exif(orientation: int = 1, big_endian: bool = False) -> bytes:
    """An EXIF block as cameras write it, with its mark."""
    block = Image.Exif()
    if big_endian:
        block.endian = '>'
    block[Base.Make] = 'Camera Works'
    block[Base.Artist] = 'Zoë'.encode()
    block[Base.Orientation] = orientation
    block[IFD.Exif] = {
        Base.ExposureTime: IFDRational(1, 250),
        Base.MakerNote: MAKER_NOTE,
        Base.DateTimeOriginal: '2024:01:02 03:04:05',
        Base.LensModel: 'Lens X',
    }
    block[IFD.GPSInfo] = {1: 'N', 2: (52.0, 30.0, 0.0)}
    return block.tobytes()
