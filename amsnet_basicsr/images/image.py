"""An image in memory."""

from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np


class ImageError(ValueError):
    """An image can't be read or written; the message says which and why, in one line."""


@dataclass(frozen=True)
class Metadata:
    """What goes along with the pixels unchanged.

    Attributes:
        exif: EXIF block, from its `Exif` mark on; its orientation is 1, as the pixels are upright.
        icc: ICC profile.
        xmp: XMP packet.
        resolution: Dots an inch, horizontally and vertically.
        density: Pixels horizontally and vertically of a unit that the file doesn't name; with equal ones or others, the
            shape of a pixel.
        png_colour: PNG's chunks that say what its numbers mean (gAMA, cHRM, sRGB, cICP), as they are in the file.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    resolution: tuple[float, float] | None = None
    density: tuple[float, float] | None = None
    png_colour: bytes = b''

    def without(self, *names: str) -> 'Metadata':
        """Leave out parts that may be None."""
        nothing: dict[str, Any] = dict.fromkeys(names)
        return replace(self, **nothing)


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
        """Replace the pixels, keep all else.

        Args:
            pixels: Of the shape and type of the present ones.

        Raises:
            ValueError: If they are of another shape or type.
        """
        if pixels.shape != self.pixels.shape or pixels.dtype != self.pixels.dtype:
            raise ValueError(f'{pixels.shape} {pixels.dtype} cannot replace {self.pixels.shape} {self.pixels.dtype}')
        return replace(self, pixels=pixels)


def with_channels(pixels: np.ndarray, alpha: np.ndarray | None, channels: int) -> np.ndarray:
    """Give an image another number of channels.

    Args:
        pixels: (H, W, 3) RGB or (H, W, 1) grey, uint8 or uint16.
        alpha: One channel more, (H, W), or None.
        channels: 3 repeats grey, 1 takes the luminance of colours, one more than the image's adds `alpha`.

    Returns:
        The image, (H, W, channels).

    Raises:
        ImageError: If that cannot be had.
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


def refuse_frames(count: int) -> None:
    """Refuse a file with several pages or frames.

    Raises:
        ImageError: If so.
    """
    if count > 1:
        raise ImageError(f'it holds {count} pages or frames; save one of them as an image of its own')
