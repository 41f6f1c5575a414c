"""The user's images: find them, leave out the unusable ones, and choose strides for their noise."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
from tqdm import tqdm

from amsnet_basicsr.denoise.command.inputs import find_inputs
from amsnet_basicsr.images import ImageData, ImageError, read_size, to_8_bit
from amsnet_basicsr.prepare.image_patches import LeftOutError, read_usable
from amsnet_basicsr.prepare.noise_correlation import NoiseSpectra, combine_spectra, recommend_stride
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import printable, say

SMALLEST = 64
"""Least side of a patch, and so of an image, in pixels."""
ENOUGH = 4
"""With fewer images, patches are held out instead of whole images, and small images are kept."""
_ROOMY = 120  # side of the training crops; a single smaller image would make all crops smaller

Found = TypeVar('Found')
Item = TypeVar('Item')


@dataclass(frozen=True)
class Surveyed:
    """An image that can be used, and its size in pixels."""

    path: Path
    height: int
    width: int


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


def survey(paths: Sequence[Path], look: Callable[[Path], Found]) -> tuple[list[Found], dict[str, str]]:
    """Call `look` on each image; a ValueError from it leaves the image out.

    Returns the results, and by image why it was left out. Raises a UserError if none can be used.
    """
    found: list[Found] = []
    left_out: dict[str, str] = {}
    for path in tqdm(paths, 'reading', unit='image', disable=None, leave=False):
        try:
            found.append(look(path))
        except ValueError as error:
            left_out |= say_left_out(path, error)
    if not found:
        refuse_all(left_out)
    return found, left_out


def say_left_out(name: object, reason: object) -> dict[str, str]:
    """Print that an image or folder is left out, and return the reason by its name."""
    shown = printable(str(name))
    say(f'left out: {shown}: {reason}')
    return {shown: str(reason)}


def refuse_all(left_out: Mapping[str, str]) -> NoReturn:
    """Raise a UserError that names the first image and why it cannot be used."""
    name, reason = next(iter(left_out.items()))
    raise UserError(f'none of {len(left_out)} images can be used; {name}: {reason}')


def survey_for_training(paths: Sequence[Path]) -> tuple[list[Surveyed], dict[str, str]]:
    """Choose the images to train on from their headers alone; a few that are smaller than the crops are left out."""
    found, left_out = survey(paths, _look_at_header)
    roomy = [image for image in found if min(image.height, image.width) >= _ROOMY]
    if len(roomy) < ENOUGH or _pixels(roomy) < 0.9 * _pixels(found):
        return found, left_out
    reason = f'too small: training crops are {_ROOMY} pixels wide, and the other images have room for them'
    for image in found:
        if image not in roomy:
            left_out |= say_left_out(image.path, reason)
    return roomy, left_out


def _look_at_header(path: Path) -> Surveyed:
    try:
        height, width = read_size(path)
    except ImageError as error:
        raise LeftOutError('unreadable', str(error).removeprefix(f'{path}: ')) from None
    if min(height, width) < SMALLEST:
        raise LeftOutError('too small', f'{width}×{height} pixels')
    return Surveyed(path, height, width)


def _pixels(images: Iterable[Surveyed]) -> int:
    return sum(image.height * image.width for image in images)


def choose_strides(
    spectra: Iterable[NoiseSpectra], train: int | None = None, test: int | None = None
) -> dict[str, Any]:
    """Choose the strides that are not given from the correlation of the noise; `reason` explains the choice.

    The train stride is the smallest distance at which the noise is independent, 5 where that cannot be estimated; the
    test stride is 2, or 1 for white noise.
    """
    try:
        correlation = combine_spectra(spectra)
        figures = ', '.join(f'{value:.2f}' for value in correlation.mean[1:6])
        recommended = recommend_stride(correlation)
        reason = f'noise correlated by {figures} over 1, 2, 3, 4, 5 pixels'
        if correlation.doubtful:
            recommended, reason = 5, f'{reason}, which looks like texture: the usual 5 is taken'
    except ValueError as error:
        recommended, reason = 5, f'not estimated ({error}): the usual 5 is taken'
    given = [f'{name} stride {value}' for name, value in (('train', train), ('test', test)) if value is not None]
    if given:
        reason = f'{" and ".join(given)} as given; {reason}'
    usual = 1 if recommended == 1 else 2
    return {'train_stride': train or recommended, 'test_stride': test or usual, 'reason': reason}
