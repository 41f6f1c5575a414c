"""How large an image may say it is before it is refused: a few bytes may claim any size, and memory is finite."""

import os

VARIABLE = 'AMSNET_MAX_MEGAPIXELS'
"""Environment variable that sets another limit, in millions of pixels."""
USUAL = 2**29
"""Most pixels unless that variable says something else: 537 million, 1.6 GB of 8 bit RGB."""


def pixel_limit() -> int:
    """Return the most pixels that an image may have.

    Raises:
        ValueError: If the environment variable isn't a positive number; the message names it.
    """
    text = os.environ.get(VARIABLE, '').strip()
    if not text:
        return USUAL
    try:
        limit = int(float(text) * 1e6)
    except (ValueError, OverflowError):
        limit = 0
    if limit < 1:
        raise ValueError(f'{VARIABLE} must be a number of millions of pixels, such as 1000, got {text!r}')
    return limit


def size_error(width: int, height: int, limit: int) -> str | None:
    """Say what is wrong with the size that an image claims, if anything.

    Args:
        width: In pixels.
        height: In pixels.
        limit: Most pixels.

    Returns:
        The end of a sentence that starts with the image's name, or None.
    """
    if width * height <= limit:
        return None
    return (
        f'it says it has {width}×{height} pixels, more than the limit of {limit / 1e6:.0f} million; if it really is '
        f'that large, set {VARIABLE}={-(-width * height // 10**6)}'
    )
