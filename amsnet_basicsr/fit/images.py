"""From people's images to patches: which can be used, which are held out, where the patches lie."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from amsnet_basicsr.denoise.command.inputs import find_inputs
from amsnet_basicsr.images import ImageData, ImageError, read_size, to_8_bit
from amsnet_basicsr.prepare.image_patches import LeftOutError, encode_patch, is_flat, read_usable
from amsnet_basicsr.prepare.noise_correlation import NoiseSpectra, combine_spectra, noise_spectra, recommend_stride
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import printable, say

SMALLEST = 64
"""Least side of a patch, and so of an image, in pixels."""
HELD_OUT_PATCHES = 8
HELD_OUT_IMAGES_FROM = 4
"""With fewer images, parts of them are held out."""
_MOST_IMAGES = 200  # more are thinned out evenly: patches are bounded, and reading takes time
_IMAGES_FOR_NOISE = 32
_CROP = 120  # where there are enough images with room for it, smaller ones would only make all crops smaller

Found = TypeVar('Found')
Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels."""


@dataclass(frozen=True)
class Surveyed:
    """An image that can be used, and its size in pixels."""

    path: Path
    height: int
    width: int


@dataclass(frozen=True)
class Strides:
    """Train and test stride of the mask scheme, and why these, in one sentence."""

    train: int
    test: int
    reason: str


@dataclass(frozen=True)
class Cut:
    """Patches of one image, to train on and held out."""

    image: Surveyed
    train: tuple[Box, ...]
    held_out: tuple[Box, ...]

    @property
    def sides(self) -> list[tuple[int, int]]:
        """Height and width of all patches."""
        return [(bottom - top, right - left) for top, left, bottom, right in (*self.train, *self.held_out)]


def find_images(inputs: Sequence[str], exclude: Path) -> list[Path]:
    """List the images in folders (searched to the bottom), files and patterns, each once, sorted by path.

    What lies in the folder `exclude`, the work folder, doesn't count. Folders that can't be searched are named, and the
    rest is taken.

    Raises:
        UserError: If an input is missing or holds no image.
    """
    found = find_inputs(inputs, exclude)
    for name, reason in found.problems.items():
        if name in inputs or not found.found:
            raise UserError(f'{name}: {reason}')
    _say_left_out(found.problems)
    if words := found.passed_over_in_words():
        say(f'passed over: {words}')
    exclude = exclude.resolve()
    images = sorted({one.path.resolve() for one in found.found})
    images = [path for path in images if not path.is_relative_to(exclude)]
    if not images:
        raise UserError(f'{", ".join(inputs)}: there are no images but those in {exclude}')
    return images


def spread(items: Sequence[Path], most: int = _MOST_IMAGES) -> list[Path]:
    """Take at most so many items, evenly."""
    if len(items) <= most:
        return list(items)
    return [items[(2 * number + 1) * len(items) // (2 * most)] for number in range(most)]


def read_pixels(path: Path) -> np.ndarray:
    """Read an image as training sees it: RGB, (H, W, 3), uint8, without alpha.

    Raises:
        LeftOutError: If it can't be read or is too small.
    """
    return to_8_bit(ImageData(read_usable(path, SMALLEST))).pixels


def survey(paths: Sequence[Path], look: Callable[[np.ndarray], Found]) -> tuple[dict[Surveyed, Found], dict[str, str]]:
    """Read images, look at each, and say which can't be used.

    Args:
        paths: The files.
        look: Looks at the pixels; raises ValueError if the image doesn't serve.

    Returns:
        What `look` returned for the images that can be used, and why others can't be, by name.

    Raises:
        UserError: If none can be used.
    """
    found: dict[Surveyed, Found] = {}
    left_out: dict[str, str] = {}
    for path in tqdm(paths, 'reading', unit='image', disable=None, leave=False):
        try:
            pixels = read_pixels(path)
            looked = look(pixels)
            found[Surveyed(path, *pixels.shape[:2])] = looked
        except ValueError as error:
            left_out[printable(str(path))] = str(error)
    if not found:
        name, reason = next(iter(left_out.items()))
        raise UserError(f'none of {len(paths)} images can be used; {name}: {reason}')
    _say_left_out(left_out)
    return found, left_out


def _say_left_out(left_out: Mapping[str, str]) -> None:
    for name, reason in left_out.items():
        say(f'left out: {printable(name)}: {reason}')


def survey_for_training(paths: Sequence[Path]) -> tuple[list[Surveyed], list[NoiseSpectra], dict[str, str]]:
    """Survey images to train on: the spectra of some of them, and only those that training crops fit in."""
    number, step = count(), -(-len(paths) // _IMAGES_FOR_NOISE)
    found, left_out = survey(paths, lambda pixels: None if next(number) % step else noise_spectra(pixels))
    roomy = leave_out_small(list(found))
    reason = f'too small: training crops are {_CROP} pixels wide, and the other images have room for them'
    small = {printable(str(image.path)): reason for image in found if image not in roomy}
    _say_left_out(small)
    return roomy, [one for one in found.values() if one is not None], {**left_out, **small}


def read_sizes(paths: Sequence[Path]) -> list[Surveyed]:
    """Foresee from the headers alone which images can be used."""
    found = []
    for path in paths:
        with suppress(ImageError):
            found.append(Surveyed(path, *read_size(path)))
    return leave_out_small([image for image in found if min(image.height, image.width) >= SMALLEST])


def leave_out_small(images: list[Surveyed]) -> list[Surveyed]:
    """Leave out images that would make all crops small, if there are few."""
    roomy = [image for image in images if min(image.height, image.width) >= _CROP]
    enough = len(roomy) >= HELD_OUT_IMAGES_FROM and _pixels(roomy) >= 0.9 * _pixels(images)
    return roomy if enough else images


def _pixels(images: Iterable[Surveyed]) -> int:
    return sum(image.height * image.width for image in images)


def choose_strides(spectra: Iterable[NoiseSpectra], train: int | None = None, test: int | None = None) -> Strides:
    """Choose the strides that aren't given by how far the noise is correlated.

    The train stride is the smallest distance at which the noise is independent, 5 where that can't be seen; the test
    stride is 2, or 1 for white noise.
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
    if train is not None or test is not None:
        given = [f'{name} stride {value}' for name, value in (('train', train), ('test', test)) if value is not None]
        reason = f'{" and ".join(given)} as given; {reason}'
    train = recommended if train is None else train
    return Strides(train, (1 if recommended == 1 else 2) if test is None else test, reason)


def plan_cuts(images: Sequence[Surveyed], size: int, most: int, seed: int, one_in: int = 8) -> list[Cut]:
    """Choose patches and hold some out.

    From four images on, whole ones are held out (one in eight, at most eight); else one in eight patches, none of
    which overlaps one that is trained on.

    Args:
        images: The images.
        size: Least side of the patches; smaller ones are taken of smaller images, or if there are so few.
        most: Most patches to train on.
        seed: Seed of the choice.
        one_in: How many images or patches there are for each that is held out.

    Raises:
        UserError: If there is too little to train on.
    """
    whole = len(images) >= HELD_OUT_IMAGES_FROM
    while not whole and size > SMALLEST and sum(len(split(image, size)) for image in images) < 8:
        size -= 16
    patches = [split(image, size) for image in images]
    if sum(map(len, patches)) < 2:
        raise UserError(
            f'{images[0].path} is too small to train on: two patches of {size}×{size} pixels do not fit; give more '
            'or larger images'
        )
    generator = np.random.default_rng(seed)
    if whole:
        count = min(max(len(images) // one_in, 1), HELD_OUT_PATCHES)
        chosen = {(2 * number + 1) * len(images) // (2 * count) for number in range(count)}
        shares = _shares([len(boxes) if index not in chosen else 0 for index, boxes in enumerate(patches)], most)
        cuts = []
        for index, (image, boxes) in enumerate(zip(images, patches, strict=True)):
            order = [boxes[i] for i in generator.permutation(len(boxes))]
            held = HELD_OUT_PATCHES // count if index in chosen else 0
            cuts.append(Cut(image, tuple(sorted(order[: shares[index]])), tuple(sorted(order[:held]))))
        return cuts
    every = [(index, box) for index, boxes in enumerate(patches) for box in boxes]
    held = min(max(len(every) // one_in, 1), HELD_OUT_PATCHES)
    order = [every[i] for i in generator.permutation(len(every))]
    return [
        Cut(
            image,
            tuple(sorted(box for i, box in order[held : held + most] if i == index)),
            tuple(sorted(box for i, box in order[:held] if i == index)),
        )
        for index, image in enumerate(images)
    ]


def split(image: Surveyed, size: int) -> list[Box]:
    """Split an image, all of it, into patches whose sides are at least `size` pixels, or the image's own."""
    rows, columns = (
        [length * number // count for number in range(count + 1)]
        for length in (image.height, image.width)
        for count in [max(1, length // size)]
    )
    return [(top, left, bottom, right) for top, bottom in pairwise(rows) for left, right in pairwise(columns)]


def _shares(available: Sequence[int], most: int) -> list[int]:
    """Share patches out among images as evenly as they have them."""
    shares = [0] * len(available)
    while most > 0 and (open_ := [i for i, count in enumerate(available) if shares[i] < count]):
        each = max(1, most // len(open_))
        for index in open_:
            taken = min(each, available[index] - shares[index], most)
            shares[index] += taken
            most -= taken
    return shares


def write_patches(cuts: Sequence[Cut], folder: Path) -> tuple[int, int]:
    """Cut patches into PNG files in `train` and `held_out`; those that are there already stay.

    Returns:
        Number of patches to train on and held out. Those without noise to learn from (black, white, constant) are left
        out.

    Raises:
        UserError: If an image can't be read any more, or none is left to train on or to hold out.
    """
    for name in ('train', 'held_out'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, cut in enumerate(tqdm(cuts, 'cutting', unit='image', disable=None, leave=False)):
        if not (cut.train or cut.held_out):
            continue
        try:
            pixels = read_pixels(cut.image.path)
        except LeftOutError as error:
            raise UserError(f'{cut.image.path}: {error}') from None
        if pixels.shape[:2] != (cut.image.height, cut.image.width):
            raise UserError(f'{cut.image.path} has changed; --restart starts over')
        for name, boxes in (('train', cut.train), ('held_out', cut.held_out)):
            for top, left, bottom, right in boxes:
                patch = pixels[top:bottom, left:right]
                file_name = f'image{number:04d}_y{top:05d}_x{left:05d}.png'
                there = any((folder / either / file_name).exists() for either in ('train', 'held_out'))
                if not there and not is_flat(patch):
                    with atomic_write(folder / name / file_name) as file:
                        file.write(encode_patch(patch))
    train, held_out = (sorted((folder / name).glob('*.png')) for name in ('train', 'held_out'))
    if not held_out and len(train) > 1:  # those chosen were all left out
        held_out = [train.pop()]
        held_out[0].rename(folder / 'held_out' / held_out[0].name)
    if not train or not held_out:
        raise UserError('the images are black, white or without noise: nothing to learn from')
    return len(train), len(held_out)
