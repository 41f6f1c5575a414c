"""One file per library that decodes images; `images.read` chooses among them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from amsnet_basicsr.images.image import ImageError
from amsnet_basicsr.images.metadata import Metadata


class Opened(NamedTuple):
    """An image of which the header has been read.

    Attributes:
        width: As stored.
        height: As stored.
        orientation: EXIF's, 1 to 8, which the image is to be turned by.
        decode: Returns the pixels as stored, (H, W, C), the number of colour channels, and the metadata.
        notes: What of the file is not kept, a phrase each.
    """

    width: int
    height: int
    orientation: int
    decode: Callable[[], tuple[np.ndarray, int, Metadata]]
    notes: tuple[str, ...] = ()


def refuse_frames(count: int) -> None:
    """Refuse a file with several pages or frames."""
    if count > 1:
        raise ImageError(f'it holds {count} pages or frames; save one of them as an image of its own')
