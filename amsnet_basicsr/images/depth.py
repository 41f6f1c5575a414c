"""Bits of a channel: how many a file uses, and to 8 of them."""

from dataclasses import replace

import numpy as np

from amsnet_basicsr.images.image import ImageData

_ROWS_OF_BYTES = 2**22
_DEPTHS = (8, 10, 12, 14)
"""What cameras and microscopes store in files of 16 bits."""


def used_bits(pixels: np.ndarray) -> int:
    """Return how many bits of its type an image uses, judged by its largest value.

    A dark image that could use more is none the worse for it: it is denoised as if it were exposed for longer.
    """
    most = int(pixels.max())
    fitting = [bits for bits in _DEPTHS if 0 < most < 2**bits]
    return min([*fitting, 8 * pixels.itemsize])


def stretch(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Scale values of so many bits to the whole range of uint16; of 16, and of uint8, nothing changes."""
    return pixels if bits == 8 * pixels.itemsize else _scale(65535, 2**bits - 1)[pixels]


def unstretch(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Undo `stretch`."""
    return pixels if bits == 8 * pixels.itemsize else _scale(2**bits - 1, 65535)[pixels]


def _scale(target: int, white: int) -> np.ndarray:
    return ((np.arange(65536) * target + white // 2) // white).clip(max=65535).astype(np.uint16)


def to_8_bit(image: ImageData) -> ImageData:
    """Round an image to 8 bit a channel: each value the nearest of the 256; one of 8 bit stays as it is."""
    if image.bits == 8:
        return image
    alpha = None if image.alpha is None else _round(image.alpha)
    return replace(image, pixels=_round(image.pixels), alpha=alpha)


def _round(values: np.ndarray) -> np.ndarray:
    rounded = np.empty(values.shape, np.uint8)
    # By rows, as the products need 32 bit: of a whole large image they would take more than all the rest.
    step = max(1, _ROWS_OF_BYTES // max(1, values[0].nbytes))
    for start in range(0, len(values), step):
        rows = values[start : start + step].astype(np.uint32)
        rounded[start : start + step] = (rows * 255 + 32767) // 65535
    return rounded
