"""Patches of the user's images: choose them, hold some out, write and read their files."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from amsnet_basicsr.fit.images import ENOUGH, SMALLEST, Size, spread
from amsnet_basicsr.images import ImageError, decode_image
from amsnet_basicsr.prepare.image_patches import encode_patch, is_flat
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError

_HELD_OUT = 8
"""Most patches, and most images, that are held out."""

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels."""


@dataclass(frozen=True)
class Cut:
    """Patches of one image, to train on and held out."""

    path: Path
    train: tuple[Box, ...]
    held_out: tuple[Box, ...]


def plan_cuts(sizes: Mapping[Path, Size], size: int, most: int, seed: int, one_in: int = 8) -> list[Cut]:
    """Choose patches and hold some out.

    From four images on, whole ones are held out, at most eight; else patches, at most eight. The patches to train on
    are shared out among the images as evenly as these have them. Images without any are left out.

    Args:
        sizes: The images and their sizes.
        size: Least side of the patches; smaller ones are taken of smaller images, or if there are so few.
        most: Most patches to train on.
        seed: Seed of the choice.
        one_in: How many images or patches there are for each that is held out.
    """
    whole = len(sizes) >= ENOUGH
    while not whole and size > SMALLEST and sum(len(split(*of_one, size)) for of_one in sizes.values()) < 8:
        size -= 16
    generator = np.random.default_rng(seed)
    every = [  # image, place in the random order of its patches, patch
        (path, place, boxes[at])
        for path, of_one in sizes.items()
        for boxes in [split(*of_one, size)]
        for place, at in enumerate(generator.permutation(len(boxes)))
    ]
    if len(every) < 2:
        raise UserError(
            f'{next(iter(sizes))} is too small to train on: two patches of {size}×{size} pixels do not fit; give more '
            'or larger images'
        )
    count = min(max(len(sizes if whole else every) // one_in, 1), _HELD_OUT)
    if whole:
        spared = spread([*sizes], count)
        held_out = [one for one in every if one[0] in spared and one[1] < _HELD_OUT // count]
        train = [one for one in every if one[0] not in spared]
    else:
        order = [every[at] for at in generator.permutation(len(every))]
        held_out, train = order[:count], order[count:]
    train = sorted(train, key=lambda one: one[1])[:most]
    cuts = [
        Cut(path, *(tuple(sorted(box for of, _, box in taken if of == path)) for taken in (train, held_out)))
        for path in sizes
    ]
    return [cut for cut in cuts if cut.train or cut.held_out]


def split(height: int, width: int, size: int) -> list[Box]:
    """Split an image, all of it, into patches whose sides are at least `size` pixels, or the image's own."""
    rows, columns = (
        [length * number // count for number in range(count + 1)]
        for length in (height, width)
        for count in [max(1, length // size)]
    )
    return [(top, left, bottom, right) for top, bottom in pairwise(rows) for left, right in pairwise(columns)]


def patch_files(folder: Path, part: str) -> list[Path]:
    """List the patches of a work folder, of `train` or `held_out`."""
    return sorted((folder / 'patches' / part).glob('*.png'))


def write_patches(cut: Cut, pixels: np.ndarray, folder: Path, name: str) -> None:
    """Write an image's patches into a work folder's `train` and `held_out`, except flat ones and those that exist."""
    for part, boxes in (('train', cut.train), ('held_out', cut.held_out)):
        for top, left, bottom, right in boxes:
            patch, path = pixels[top:bottom, left:right], f'{name}_y{top:05d}_x{left:05d}.png'
            there = any((folder / 'patches' / either / path).exists() for either in ('train', 'held_out'))
            if not there and not is_flat(patch):
                write_png(folder / 'patches' / part / path, patch)


def hold_one_out(folder: Path) -> tuple[int, int]:
    """Count the patches to train on and held out; if none is held out, as all of those were flat, hold one out."""
    train, held_out = (patch_files(folder, part) for part in ('train', 'held_out'))
    if not held_out and len(train) > 1:
        held_out = [folder / 'patches' / 'held_out' / train[-1].name]
        held_out[0].parent.mkdir(exist_ok=True)
        train.pop().rename(held_out[0])
    if not train or not held_out:
        raise UserError('the images are black, white or without noise: nothing to learn from')
    return len(train), len(held_out)


def read_png(path: Path) -> np.ndarray:
    """Read a patch, RGB, (H, W, 3), uint8."""
    try:
        return decode_image(path.read_bytes(), str(path))
    except (OSError, ImageError):
        raise UserError(f'{path} is missing or damaged; --restart starts over') from None


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image, RGB, (H, W, 3), uint8, completely or not at all, in a folder that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(encode_patch(image))
