"""Images for the tests of the gallery."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import ImageCms

from amsnet_basicsr.denoise.gallery.writer import GalleryEntry, GalleryWriter
from amsnet_basicsr.images import ImageData, Metadata

ODD_NAME = 'a <script>document.title = "owned"</script> "b" \'c\' & ünï 照片 \u202edesrever.png'
"""A file name with all that HTML could trip over."""


def noise(height, width, channels=3, dtype=np.uint8, seed=0, icc=None, alpha=False):
    """Any image, which no lossy format could keep."""
    rng = np.random.default_rng(seed)
    most = np.iinfo(dtype).max
    opacity = rng.integers(most // 2, most, (height, width), dtype, endpoint=True) if alpha else None
    return ImageData(rng.integers(0, most, (height, width, channels), dtype, endpoint=True), opacity, Metadata(icc=icc))


def plain(height, width, colour):
    """An image of one colour."""
    return ImageData(np.full((height, width, 3), colour, np.uint8))


def profile(channels=3):
    """An ICC profile; for grey one that says so and is no more than that."""
    rgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    return rgb if channels == 3 else rgb[:16] + b'GRAY' + rgb[20:]


def write_gallery(path: Path, entries: Sequence[GalleryEntry], title: str, overwrite: bool = False) -> None:
    """Write a gallery of images that are all at hand."""
    with GalleryWriter(path, title, overwrite) as gallery:
        for entry in entries:
            gallery.add(entry)
