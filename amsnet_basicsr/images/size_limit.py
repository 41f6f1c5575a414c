"""How large an image may claim to be before it is refused: a few bytes may claim any size, and memory is finite."""

import os

from amsnet_basicsr.images.image import ImageError

VARIABLE = 'AMSNET_MAX_MEGAPIXELS'
"""Environment variable that sets another limit, in millions of pixels."""
USUAL = 2**29
"""Most pixels unless that variable says something else: 537 million, 1.6 GB of 8 bit RGB."""


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
    """Refuse an image whose header claims too many pixels; the limit is `pixel_limit` unless given."""
    limit = pixel_limit() if limit is None else limit
    if width < 1 or height < 1:
        raise ImageError(f'damaged or cut off (it says it has {width}×{height} pixels)')
    if width * height > limit:
        raise ImageError(
            f'it says it has {width}×{height} pixels, more than the limit of {limit / 1e6:.0f} million; '
            f'if it really is that large, set {VARIABLE}={-(-width * height // 10**6)}'
        )
