"""From people's images to patches: which can be used, which are held out, where the patches lie."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from amsnet_basicsr.denoise.command.inputs import find_inputs
from amsnet_basicsr.fit.state import FitError
from amsnet_basicsr.images import ImageData, ImageError, read_image, to_8_bit
from amsnet_basicsr.images.png import encode_noise
from amsnet_basicsr.prepare.noise_correlation import (
    NoiseSpectra,
    combine_spectra,
    noise_spectra,
    recommend_stride,
)
from amsnet_basicsr.prepare.photo_rules import is_flat
from amsnet_basicsr.utils.atomic_write import atomic_write

SMALLEST = 64
"""Least side of a patch, and so of an image, in pixels."""
MOST_IMAGES = 200
"""More images than these are thinned out evenly: patches are bounded, and reading takes time."""
HELD_OUT_PATCHES = 8
_HELD_OUT_IMAGES_FROM = 4  # with fewer images, parts of them are held out
_IMAGES_FOR_NOISE = 32


@dataclass(frozen=True)
class Surveyed:
    """An image that can be used.

    Attributes:
        path: The file.
        height: In pixels.
        width: In pixels.
    """

    path: Path
    height: int
    width: int


@dataclass(frozen=True)
class Strides:
    """Strides of the mask scheme.

    Attributes:
        train: While training.
        test: While denoising.
        reason: Why, in one sentence.
    """

    train: int
    test: int
    reason: str


@dataclass(frozen=True)
class Cut:
    """Patches of one image.

    Attributes:
        image: The image.
        train: Top left corners of the patches to train on.
        held_out: Those of the patches held out.
    """

    image: Surveyed
    train: tuple[tuple[int, int], ...]
    held_out: tuple[tuple[int, int], ...]


def find_images(inputs: Sequence[str], exclude: Path) -> list[Path]:
    """List images.

    Args:
        inputs: Folders (searched to the bottom), files and patterns.
        exclude: A folder whose content doesn't count: the work folder.

    Returns:
        The files, each once, sorted by path.

    Raises:
        FitError: If an input is missing or holds no image.
    """
    found, problems = find_inputs(inputs, exclude)
    if problems:
        raise FitError(f'{problems[0].name}: {problems[0].reason}')
    exclude = exclude.resolve()
    images = sorted({one.path.resolve() for one in found})
    images = [path for path in images if not path.is_relative_to(exclude)]
    if not images:
        raise FitError(f'{", ".join(inputs)}: there are no images but those in {exclude}')
    return images


def thin_out(paths: Sequence[Path], most: int = MOST_IMAGES) -> list[Path]:
    """Take at most so many images, evenly.

    Args:
        paths: All of them.
        most: How many to take.

    Returns:
        The chosen ones, in order.
    """
    if len(paths) <= most:
        return list(paths)
    return [paths[(2 * number + 1) * len(paths) // (2 * most)] for number in range(most)]


def survey(
    paths: Sequence[Path], progress: Callable[[int], None]
) -> tuple[list[Surveyed], dict[str, str], list[NoiseSpectra]]:
    """Read every image once.

    Args:
        paths: The files.
        progress: Told how many are read.

    Returns:
        Those that can be used; for the others the reason by path; what the estimate of the noise needs.

    Raises:
        FitError: If none can be used.
    """
    usable: list[Surveyed] = []
    left_out: dict[str, str] = {}
    spectra: list[NoiseSpectra] = []
    step = -(-len(paths) // _IMAGES_FOR_NOISE)
    for number, path in enumerate(paths):
        try:
            pixels = as_rgb(read_image(path))
            height, width = pixels.shape[:2]
            if min(height, width) < SMALLEST:
                left_out[str(path)] = f'too small: {width}×{height} pixels, {SMALLEST} each way are needed'
            else:
                usable.append(Surveyed(path, height, width))
                if number % step == 0:
                    spectra.append(noise_spectra(pixels))
        except ImageError as error:
            left_out[str(path)] = str(error).removeprefix(f'{path}: ')
        progress(number + 1)
    if not usable:
        name, reason = next(iter(left_out.items()))
        raise FitError(f'none of {len(paths)} images can be used; {name}: {reason}')
    return usable, left_out, spectra


def as_rgb(image: ImageData) -> np.ndarray:
    """Take an image's pixels as training sees them.

    Args:
        image: The image.

    Returns:
        RGB, (H, W, 3), uint8; grey becomes three equal channels, 16 bit are rounded, alpha is left out.
    """
    pixels = (to_8_bit(image) if image.pixels.dtype == np.uint16 else image).pixels
    return np.repeat(pixels, 3, axis=2) if image.grey else pixels


def choose_strides(spectra: Iterable[NoiseSpectra], train: int | None = None, test: int | None = None) -> Strides:
    """Choose the strides by how far the noise is correlated.

    Args:
        spectra: Of the images.
        train: The train stride, if it is given.
        test: The test stride, if it is given.

    Returns:
        The strides: the smallest train stride at which the noise is independent, 5 where that can't be seen; test
        stride 2, or 1 for white noise.
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


def plan_cuts(images: Sequence[Surveyed], size: int, most: int, seed: int) -> tuple[int, list[Cut]]:
    """Choose patches and hold some out.

    From four images on, whole ones are held out (an eighth, at most eight); else an eighth of the patches, none of
    which touches one that is trained on.

    Args:
        images: The images.
        size: Side of the patches asked for; smaller ones are taken if an image is smaller, or if there are so few.
        most: Most patches to train on.
        seed: Seed of the choice.

    Returns:
        Side of the patches, and the patches of each image.

    Raises:
        FitError: If there is too little to train on.
    """
    size = min(size, *(min(image.height, image.width) for image in images)) // 16 * 16
    whole = len(images) >= _HELD_OUT_IMAGES_FROM
    while not whole and size > SMALLEST and sum(len(_grid(image, size)) for image in images) < 8:
        size -= 16
    grids = [_grid(image, size) for image in images]
    if sum(map(len, grids)) < 2:
        raise FitError(
            f'{images[0].path} is too small to train on: two patches of {size}×{size} pixels do not fit; give more '
            'or larger images'
        )
    generator = np.random.default_rng(seed)
    if whole:
        count = min(max(len(images) // 8, 1), HELD_OUT_PATCHES)
        chosen = {(2 * number + 1) * len(images) // (2 * count) for number in range(count)}
        shares = _shares([len(grid) if index not in chosen else 0 for index, grid in enumerate(grids)], most)
        cuts = []
        for index, (image, grid) in enumerate(zip(images, grids, strict=True)):
            order = [grid[i] for i in generator.permutation(len(grid))]
            held = HELD_OUT_PATCHES // count if index in chosen else 0
            cuts.append(Cut(image, tuple(sorted(order[: shares[index]])), tuple(sorted(order[:held]))))
        return size, cuts
    every = [(index, corner) for index, grid in enumerate(grids) for corner in grid]
    held = min(max(len(every) // 8, 1), HELD_OUT_PATCHES)
    order = [every[i] for i in generator.permutation(len(every))]
    return size, [
        Cut(
            image,
            tuple(sorted(corner for i, corner in order[held : held + most] if i == index)),
            tuple(sorted(corner for i, corner in order[:held] if i == index)),
        )
        for index, image in enumerate(images)
    ]


def _grid(image: Surveyed, size: int) -> list[tuple[int, int]]:
    """Corners of patches that don't overlap, in the middle of the image."""
    return [
        (top, left)
        for top in range(image.height % size // 2, image.height - size + 1, size)
        for left in range(image.width % size // 2, image.width - size + 1, size)
    ]


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


def write_patches(cuts: Sequence[Cut], size: int, folder: Path, progress: Callable[[int], None]) -> tuple[int, int]:
    """Cut patches into PNG files; those that are there already stay.

    Args:
        cuts: What to cut.
        size: Side of the patches.
        folder: Gets `train` and `held_out`.
        progress: Told how many images are done.

    Returns:
        Number of patches to train on and held out. Those without noise to learn from (black, white, constant) are left
        out.

    Raises:
        FitError: If an image can't be read any more, or none is left to train on or to hold out.
    """
    for name in ('train', 'held_out'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, cut in enumerate(cuts):
        if cut.train or cut.held_out:
            try:
                pixels = as_rgb(read_image(cut.image.path))
            except ImageError as error:
                raise FitError(str(error)) from None
            for name, corners in (('train', cut.train), ('held_out', cut.held_out)):
                for top, left in corners:
                    patch = pixels[top : top + size, left : left + size]
                    if patch.shape[:2] != (size, size):
                        raise FitError(f'{cut.image.path} has changed; --restart begins anew')
                    file_name = f'photo{number:04d}_y{top:05d}_x{left:05d}.png'
                    there = any((folder / either / file_name).exists() for either in ('train', 'held_out'))
                    if not there and not is_flat(patch):
                        with atomic_write(folder / name / file_name) as file:
                            file.write(encode_noise(cv2.cvtColor(patch, cv2.COLOR_RGB2BGR)))
        progress(number + 1)
    train, held_out = (sorted((folder / name).glob('*.png')) for name in ('train', 'held_out'))
    if not held_out and len(train) > 1:  # those chosen were all left out
        held_out = [train.pop()]
        held_out[0].rename(folder / 'held_out' / held_out[0].name)
    if not train or not held_out:
        raise FitError('the images are black, white or without noise: nothing to learn from')
    return len(train), len(held_out)
