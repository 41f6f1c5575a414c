"""Which images and which of their patches serve for training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amsnet_basicsr.images import ImageError, png, read_image
from amsnet_basicsr.prepare.patch_grid import patch_offsets
from amsnet_basicsr.prepare.photo_similarity import difference_hash

CLIPPED = 0.5
"""A patch of which more than this share of the pixels is black or white in some channel counts as flat."""
NOISELESS = 0.6 / 255
"""A patch whose channels all have a smaller standard deviation, in units of the image range, counts as flat."""


class LeftOutError(ValueError):
    """An image that doesn't serve.

    Attributes:
        reason: One of few words, to be counted.
        detail: What is wrong with this one; may be empty.
    """

    def __init__(self, reason: str, detail: str = '') -> None:
        super().__init__(f'{reason}: {detail}' if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class ImageRules:
    """What is taken.

    Attributes:
        size: Side of a patch in pixels; images with a shorter side are left out.
        step: Distance between patches in pixels; the last row and column are flush with the border.
        keep_grey: Take grey images too, with three equal channels.
        drop_flat: Leave out patches without noise to learn from, see `is_flat`.
        drop_duplicates: Leave out near-duplicates of earlier images.
    """

    size: int = 256
    step: int = 256
    keep_grey: bool = False
    drop_flat: bool = False
    drop_duplicates: bool = False


@dataclass(frozen=True)
class CutImage:
    """The patches of one image.

    Attributes:
        patches: PNG files by top and left pixel, of 8 or 16 bit as the image.
        flat: Number of patches that were left out as flat.
        code: Hash of the image, see `difference_hash`.
    """

    patches: dict[tuple[int, int], bytes]
    flat: int
    code: bytes


def read_usable(path: Path, rules: ImageRules) -> np.ndarray:
    """Read an image that serves for training.

    Args:
        path: The file.
        rules: What is taken.

    Returns:
        Upright RGB image, (H, W, 3), uint8 or uint16. Alpha that is opaque everywhere is dropped.

    Raises:
        LeftOutError: If it doesn't serve: unreadable (what `read_image` refuses), too small, transparent, or grey.
    """
    try:
        image = read_image(path)
    except ImageError as error:
        raise LeftOutError('unreadable', str(error).removeprefix(f'{path}: ')) from None
    pixels = image.pixels
    height, width = pixels.shape[:2]
    if min(height, width) < rules.size:
        raise LeftOutError('too small', f'{height}×{width} pixels')
    if image.alpha is not None and image.alpha.min() < np.iinfo(image.alpha.dtype).max:
        raise LeftOutError('transparent')
    grey = image.grey or bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
    if grey and not rules.keep_grey:
        raise LeftOutError('grey')
    return np.repeat(pixels, 3, axis=2) if image.grey else pixels


def cut_image(path: Path, rules: ImageRules) -> CutImage:
    """Read an image and cut it into patches.

    Args:
        path: The file.
        rules: What is taken.

    Returns:
        The patches.

    Raises:
        LeftOutError: If the image doesn't serve, or all its patches are flat.
    """
    image = read_usable(path, rules)
    patches, flat = {}, 0
    for top, left in patch_offsets(*image.shape[:2], rules.size, rules.step):
        patch = image[top : top + rules.size, left : left + rules.size]
        if rules.drop_flat and is_flat(patch):
            flat += 1
        else:
            patches[top, left] = png.encode_noise(np.ascontiguousarray(patch[..., ::-1]))
    if not patches:
        raise LeftOutError('flat', 'all its patches are')
    return CutImage(patches, flat, difference_hash(image))


def is_flat(patch: np.ndarray) -> bool:
    """Tell whether a patch has no noise to learn from: it is mostly clipped, or constant but for rounding.

    Smooth patches with noise in them are no less useful than others, and are not flat in this sense.

    Args:
        patch: RGB patch, (H, W, 3), uint8 or uint16.

    Returns:
        Whether it is flat, by `CLIPPED` and `NOISELESS`.
    """
    largest = np.iinfo(patch.dtype).max
    clipped = ((patch == 0) | (patch == largest)).any(axis=2).mean()
    return bool(clipped > CLIPPED or (patch.std(axis=(0, 1)) < NOISELESS * largest).all())
