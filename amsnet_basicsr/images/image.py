"""An image in memory: its channels, and the bits of a channel."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from amsnet_basicsr.images.metadata import Metadata

_ROWS_OF_BYTES = 2**22
_DEPTHS = (8, 10, 12, 14)
"""Bits that cameras and microscopes use in 16-bit files."""
_OUTLIERS = 1 / 500
"""Share of values that may lie beyond the bits in use: hot pixels, a scale bar, the lamps in a night scene."""
_NEAR_WHITE = 9 * 65535 // 10


class ImageError(ValueError):
    """An image can't be read or written; the message says which and why, in one line."""


@dataclass(frozen=True)
class ImageData:
    """An image, upright.

    Attributes:
        pixels: (H, W, 3) RGB or (H, W, 1) grey, uint8 or uint16.
        alpha: Opacity, (H, W), of the same type, or None.
        metadata: What goes along unchanged.
        notes: What of the file could not be kept, a phrase each.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()

    @property
    def grey(self) -> bool:
        """Whether the image has one channel."""
        return self.pixels.shape[2] == 1

    @property
    def bits(self) -> int:
        """Bits a channel, 8 or 16."""
        return 8 * self.pixels.dtype.itemsize

    def with_pixels(self, pixels: np.ndarray) -> 'ImageData':
        """Replace the pixels by others of the same shape and type (else ValueError), keep all else."""
        if pixels.shape != self.pixels.shape or pixels.dtype != self.pixels.dtype:
            raise ValueError(f'{pixels.shape} {pixels.dtype} cannot replace {self.pixels.shape} {self.pixels.dtype}')
        return replace(self, pixels=pixels)


def with_channels(pixels: np.ndarray, alpha: np.ndarray | None, channels: int) -> np.ndarray:
    """Give an image another number of channels.

    Args:
        pixels: (H, W, 3) RGB or (H, W, 1) grey, uint8 or uint16.
        alpha: Opacity, (H, W), or None.
        channels: 3 repeats grey, 1 takes the luminance of colours, one more than the image's adds `alpha`.

    Returns:
        The image, (H, W, channels).

    Raises:
        ImageError: If the image has no such channels.
    """
    own = pixels.shape[2]
    if channels == own:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    if channels == 1:
        return cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)[..., None]
    if alpha is not None and channels == own + 1:
        return np.dstack([pixels, alpha])
    raise ImageError(f'it has {own + (alpha is not None)} channels where the network takes {channels}')


def used_bits(pixels: np.ndarray) -> int:
    """Return how many bits of its type an image uses, judged by its largest values but for a few outliers.

    A dark image may be judged too low: it is taken for one that was exposed for longer.
    """
    if pixels.itemsize > 1 and pixels.any():
        for bits in _DEPTHS:
            if np.count_nonzero(pixels >= 2**bits) <= _OUTLIERS * pixels.size:
                return bits
    return 8 * pixels.itemsize


def stretch(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Scale `bits` bits to the whole range of uint16, outliers cut off; values that use their whole type stay."""
    return pixels if bits == 8 * pixels.itemsize else _scale(65535, 2**bits - 1)[pixels]


def unstretch(pixels: np.ndarray, bits: int, before: np.ndarray) -> np.ndarray:
    """Undo `stretch` on what a stretched image became; outliers of `before` that are near white yet come back."""
    if bits == 8 * pixels.itemsize:
        return pixels
    cut_off = before >= 2**bits
    cut_off &= pixels >= _NEAR_WHITE
    result = _scale(2**bits - 1, 65535)[pixels]
    np.copyto(result, before, where=cut_off)
    return result


def _scale(target: int, white: int) -> np.ndarray:
    return ((np.arange(65536) * target + white // 2) // white).clip(max=65535).astype(np.uint16)


def to_8_bit(image: ImageData) -> ImageData:
    """Round an image to the nearest values of 8 bits a channel; an 8-bit image stays as it is."""
    if image.bits == 8:
        return image
    alpha = None if image.alpha is None else _round(image.alpha)
    return replace(image, pixels=_round(image.pixels), alpha=alpha)


def _round(values: np.ndarray) -> np.ndarray:
    rounded = np.empty(values.shape, np.uint8)
    # By rows, as the products need 32 bits: those of a whole image would take more memory than everything else.
    step = max(1, _ROWS_OF_BYTES // max(1, values[0].nbytes))
    for start in range(0, len(values), step):
        rows = values[start : start + step].astype(np.uint32)
        rounded[start : start + step] = (rows * 255 + 32767) // 65535
    return rounded
