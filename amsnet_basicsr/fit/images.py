"""The user's images: find them, and leave out the unusable ones."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from amsnet_basicsr.denoise.command.inputs import find_inputs
from amsnet_basicsr.images import ImageData, to_8_bit
from amsnet_basicsr.prepare.image_patches import read_usable, usable_size
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import printable, say

SMALLEST = 64
"""Least side of a patch, and so of an image, in pixels."""
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
