"""From the user's images to patches: find the usable ones, choose patches, hold some out, write and read files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from amsnet_basicsr.denoise.command.inputs import find_inputs
from amsnet_basicsr.fit.state import SMALLEST
from amsnet_basicsr.images import ImageData, ImageError, decode_image, to_8_bit
from amsnet_basicsr.prepare.image_patches import encode_patch, is_flat, read_usable, usable_size
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import printable, say

ENOUGH = 4
"""With fewer images, patches are held out instead of whole images, and small images are kept."""
_ROOMY = 120  # side of the training crops; a single smaller image would make all crops smaller

Found = TypeVar('Found')
Item = TypeVar('Item')
Size = tuple[int, int]
"""Height and width in pixels."""


def find_images(inputs: Sequence[str], exclude: Path) -> list[Path]:
    """List the images in folders (searched to the bottom), files and patterns, each once, sorted by path.

    Images in the folder `exclude`, the work folder, are skipped. Folders that can't be searched are
    named and skipped; a missing input, or one without images, is a UserError.
    """
    found = find_inputs(inputs, exclude)
    for name, reason in found.problems.items():
        if name in inputs or not found.found:
            raise UserError(f'{name}: {reason}')
        say_left_out(name, reason)
    if words := found.passed_over_in_words():
        say(f'passed over: {words}')
    exclude = exclude.resolve()
    images = sorted({one.path.resolve() for one in found.found})
    images = [path for path in images if not path.is_relative_to(exclude)]
    if not images:
        raise UserError(f'{", ".join(inputs)}: there are no images but those in {exclude}')
    return images


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Take at most so many items, evenly."""
    if len(items) <= most:
        return list(items)
    return [items[(2 * number + 1) * len(items) // (2 * most)] for number in range(most)]


def read_pixels(path: Path) -> np.ndarray:
    """Read an image as training sees it: RGB, (H, W, 3), uint8, without alpha; or raise a LeftOutError."""
    return to_8_bit(ImageData(read_usable(path, SMALLEST))).pixels


def survey(paths: Sequence[Path], look: Callable[[Path], Found]) -> tuple[dict[Path, Found], dict[str, str]]:
    """Call `look` on each image; a ValueError from it leaves the image out.

    Returns the results, and by image why it was left out. Raises a UserError if none can be used.
    """
    found: dict[Path, Found] = {}
    left_out: dict[str, str] = {}
    for path in tqdm(paths, 'reading', unit='image', disable=None, leave=False):
        try:
            found[path] = look(path)
        except ValueError as error:
            left_out |= say_left_out(path, error)
    if not found:
        name, reason = next(iter(left_out.items()))
        raise UserError(f'none of {len(left_out)} images can be used; {name}: {reason}')
    return found, left_out


def say_left_out(name: object, reason: object) -> dict[str, str]:
    """Print that an image or folder is left out, and return the reason by its name."""
    shown = printable(str(name))
    say(f'left out: {shown}: {reason}')
    return {shown: str(reason)}


def survey_for_training(paths: Sequence[Path]) -> tuple[dict[Path, Size], dict[str, str]]:
    """Choose the images to train on from their headers alone; a few that are smaller than the crops are left out."""
    sizes, left_out = survey(paths, lambda path: usable_size(path, SMALLEST))
    roomy = {path: size for path, size in sizes.items() if min(size) >= _ROOMY}
    pixels, of_roomy = (sum(height * width for height, width in each.values()) for each in (sizes, roomy))
    if len(roomy) < ENOUGH or of_roomy < 0.9 * pixels:
        return sizes, left_out
    reason = f'too small: training crops are {_ROOMY} pixels wide, and the other images have room for them'
    for path in sizes:
        if path not in roomy:
            left_out |= say_left_out(path, reason)
    return roomy, left_out


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
