"""From a folder's images to patches to train on: which images and which of their patches serve."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from amsnet_basicsr.images import ImageError, read_image, read_size, stretch, used_bits
from amsnet_basicsr.images.png import encode_noise

CLIPPED = 0.5
"""A patch of which more than this share of the pixels is black or white in some channel counts as flat."""
NOISELESS = 0.6 / 255
"""A patch whose channels all have a smaller standard deviation, in units of the image range, counts as flat."""
SIMILAR = 32
"""Largest number of bits, of 256, in which the hashes of near-duplicates differ.

Measured on 21 images of scikit-image: 90 % of their copies saved as JPEG of quality 60, halved, made brighter by a
fifth or given noise of sigma 10 differ in at most 24. Different images, these and 160 patches of SIDD, differ in 55
bits at least, 99 % of them in more than 100.
"""
_ROWS = 16


class LeftOutError(ValueError):
    """An image that doesn't serve: `reason`, of few words, to be counted, and what is wrong with this one."""

    def __init__(self, reason: str, detail: str = '') -> None:
        super().__init__(f'{reason}: {detail}' if detail else reason)
        self.reason, self.detail = reason, detail


def read_usable(path: Path, least: int, keep_grey: bool = True, keep_alpha: bool = True) -> np.ndarray:
    """Read an image to train on: upright, RGB, (H, W, 3), uint8 or uint16; fewer bits of 16 become the whole range.

    Args:
        path: The file.
        least: Least side in pixels.
        keep_grey: Take grey images too, with three equal channels.
        keep_alpha: Take images that are partly transparent too, without their alpha.

    Raises:
        LeftOutError: If it doesn't serve.
    """
    try:
        image = read_image(path)
    except ImageError as error:
        raise LeftOutError('unreadable', str(error).removeprefix(f'{path}: ')) from None
    pixels, alpha = stretch(image.pixels, used_bits(image.pixels)), image.alpha
    height, width = pixels.shape[:2]
    if min(height, width) < least:
        raise LeftOutError('too small', f'{width}×{height} pixels')
    if not keep_alpha and alpha is not None and alpha.min() < np.iinfo(alpha.dtype).max:
        raise LeftOutError('transparent')
    if image.grey:
        pixels = np.repeat(pixels, 3, axis=2)
    if not keep_grey and (pixels[..., :1] == pixels).all():
        raise LeftOutError('grey')
    return pixels


def usable_size(path: Path, least: int) -> tuple[int, int]:
    """Read height and width from an image's header; a LeftOutError if it can't be read or has a side below `least`."""
    try:
        height, width = read_size(path)
    except ImageError as error:
        raise LeftOutError('unreadable', str(error).removeprefix(f'{path}: ')) from None
    if min(height, width) < least:
        raise LeftOutError('too small', f'{width}×{height} pixels')
    return height, width


def patch_offsets(height: int, width: int, size: int, step: int) -> list[tuple[int, int]]:
    """List an image's patches row by row: top and left pixel, the last row and column flush with the border."""
    tops, lefts = (sorted({*range(0, length - size, step), length - size}) for length in (height, width))
    return [(top, left) for top in tops for left in lefts]


def is_flat(patch: np.ndarray) -> bool:
    """Tell whether an RGB patch has no noise to learn from: it is mostly clipped, or constant but for rounding.

    Smooth patches with noise in them are no less useful than others, and are not flat in this sense.
    """
    largest = np.iinfo(patch.dtype).max
    clipped = ((patch == 0) | (patch == largest)).any(axis=2).mean()
    return bool(clipped > CLIPPED or (patch.std(axis=(0, 1)) < NOISELESS * largest).all())


def encode_patch(patch: np.ndarray) -> bytes:
    """Encode a patch, RGB (H, W, 3), uint8 or uint16, as PNG."""
    return encode_noise(np.ascontiguousarray(patch[..., ::-1]))


def difference_hash(image: np.ndarray) -> int:
    """Hash an image, RGB, uint8 or uint16, so that similar ones have similar hashes (dHash): 256 bits.

    The image is shrunk to 17×16 grey pixels; a bit says whether a pixel is brighter than its left neighbour.
    """
    small = cv2.resize(image, (_ROWS + 1, _ROWS), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), 'big')


def find_similar(code: int, known: Mapping[str, int]) -> str | None:
    """Name the image among others, by name, whose hash differs least, if in no more than `SIMILAR` bits."""
    nearest = min(known, key=lambda name: (known[name] ^ code).bit_count(), default=None)
    return nearest if nearest is not None and (known[nearest] ^ code).bit_count() <= SIMILAR else None
