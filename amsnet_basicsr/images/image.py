"""An image in memory."""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from amsnet_basicsr.images.metadata import Metadata


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
