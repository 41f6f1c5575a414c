"""Random crops, the eight flips and rotations of a square, and tensors of them."""

import numpy as np
import torch

from amsnet_basicsr.options.blocks.datasets import Augmented


def _draw(high: int, generator: torch.Generator | None) -> int:
    return int(torch.randint(high, (), generator=generator))


def random_crop(image: np.ndarray, size: int, generator: torch.Generator | None = None) -> np.ndarray:
    """Cut out a random square.

    Args:
        image: Image, (H, W, C), at least `size` on both sides.
        size: Side of the square in pixels.
        generator: Source of randomness; None uses torch's global one, which data workers have each their own of.

    Returns:
        A view of the image, (size, size, C).
    """
    top = _draw(image.shape[0] - size + 1, generator)
    left = _draw(image.shape[1] - size + 1, generator)
    return image[top : top + size, left : left + size]


def random_flip_rotate(
    image: np.ndarray, flip: bool, rotate: bool, generator: torch.Generator | None = None
) -> np.ndarray:
    """Flip and turn an image at random.

    Args:
        image: Image, (H, W, C); it is never changed.
        flip: Mirror left to right, half of the time.
        rotate: Turn by a random multiple of 90°. (BasicSR's `use_rot`: vertical flip and transposition. With both
            options the same eight results come out, equally often.)
        generator: Source of randomness; None uses torch's global one.

    Returns:
        A view of the image.
    """
    if flip and _draw(2, generator):
        image = image[:, ::-1]
    return np.rot90(image, _draw(4, generator)) if rotate else image


def training_crop(image: np.ndarray, size: int, settings: Augmented) -> np.ndarray:
    """Cut out a random square, flipped and turned as the options say."""
    return random_flip_rotate(random_crop(image, size), settings.use_hflip, settings.use_rot)


def to_tensor(image: np.ndarray, bits: int = 16) -> torch.Tensor:
    """Turn an 8 or 16 bit image into what networks take.

    Args:
        image: Image, (H, W, C), uint8 or uint16, in any memory layout.
        bits: How many bits a uint16 image uses; larger values are clipped.

    Returns:
        The image, (C, H, W), float32 in [0, 1].
    """
    white = np.iinfo(np.uint8).max if image.dtype == np.uint8 else 2**bits - 1
    scaled = np.minimum(image, white).astype(np.float32) / white
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))
