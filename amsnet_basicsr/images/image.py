"""An image in memory."""

from dataclasses import dataclass, field, replace

import numpy as np

_ROWS_OF_BYTES = 2**22


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
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    resolution: tuple[float, float] | None = None


@dataclass(frozen=True)
class ImageData:
    """An image, upright.

    Attributes:
        pixels: (H, W, 3) RGB or (H, W, 1) grey, uint8 or uint16.
        alpha: Opacity, (H, W), of the same type, or None.
        metadata: What goes along unchanged.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    metadata: Metadata = field(default_factory=Metadata)

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


def to_8_bit(image: ImageData) -> ImageData:
    """Round an image to 8 bit a channel.

    Args:
        image: An image of 8 or 16 bit.

    Returns:
        The image, each value the nearest of the 256; one of 8 bit as it is.
    """
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
