"""One file per library that decodes images; `images.read` chooses among them. Here is what they share."""

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from amsnet_basicsr.images.image import ImageError
from amsnet_basicsr.images.metadata import Metadata

VARIABLE = 'AMSNET_MAX_MEGAPIXELS'
"""Environment variable that sets another limit, in millions of pixels."""
USUAL = 2**29
"""Most pixels unless that variable says something else: 537 million, 1.6 GB of 8 bit RGB."""


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


def pixel_limit() -> int:
    """Return the most pixels that an image may have."""
    text = os.environ.get(VARIABLE, '').strip()
    if not text:
        return USUAL
    try:
        limit = int(float(text) * 1e6)
    except (ValueError, OverflowError):
        limit = 0
    if limit < 1:
        raise ImageError(f'{VARIABLE} must be a number of millions of pixels, such as 1000, got {text!r}')
    return limit


def check_size(width: int, height: int, limit: int | None = None) -> None:
    """Refuse an image that claims more pixels than `limit`, or else `pixel_limit`: a few bytes may claim any size."""
    limit = pixel_limit() if limit is None else limit
    if width < 1 or height < 1:
        raise ImageError(f'damaged or cut off (it says it has {width}×{height} pixels)')
    if width * height > limit:
        raise ImageError(
            f'it says it has {width}×{height} pixels, more than the limit of {limit / 1e6:.0f} million; '
            f'if it really is that large, set {VARIABLE}={-(-width * height // 10**6)}'
        )
