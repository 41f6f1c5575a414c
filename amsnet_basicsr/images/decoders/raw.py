"""Cameras' raw files, developed by LibRaw."""

from typing import BinaryIO

from amsnet_basicsr.images.decoders import Opened, check_size
from amsnet_basicsr.images.image import ImageError
from amsnet_basicsr.images.metadata import Metadata


def open_image(file: BinaryIO, max_pixels: int | None) -> Opened:
    """Develop a raw file to sRGB of 16 bit with the camera's white balance; only then is its size known for sure."""
    import rawpy

    try:
        with rawpy.imread(file) as raw:
            check_size(raw.sizes.width, raw.sizes.height, max_pixels)
            pixels = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16)
    except rawpy.LibRawError as error:
        reason = b''.join(part for part in error.args if isinstance(part, bytes)).decode(errors='replace')
        raise ImageError(f'a raw file, or one that begins with a thumbnail; LibRaw cannot read it ({reason})') from None
    height, width, channels = pixels.shape
    notes = ('developed from a raw file; its metadata are left out',)
    return Opened(width, height, 1, lambda: (pixels, channels, Metadata()), notes)
