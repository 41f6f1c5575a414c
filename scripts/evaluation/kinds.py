"""Kinds of images to denoise: pairs of real cameras, and sharp images that come with libraries under made noise."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from evaluation.pairs import image_names, read_rgb

GREY = np.array([0.299, 0.587, 0.114], np.float32)
SIDE = 384
SKIMAGE = 'astronaut chelsea coffee motorcycle_left rocket camera brick grass gravel coins moon text page'.split()
MATPLOTLIB = ['grace_hopper.jpg', 'Minduka_Present_Blue_Pack.png', 'logo2.png']


class Case(NamedTuple):
    """A noisy image and its clean one, (H, W, 3) RGB uint8, of one kind."""

    kind: str
    name: str
    noisy: np.ndarray
    clean: np.ndarray


def real_pairs(kind: str, noisy: Path, clean: Path, listing: Path | None, most: int) -> Iterator[Case]:
    """Pairs of files with the same names in two folders.

    Args:
        kind: What to call them; ` grey` is put behind the name for the same as grey images.
        noisy: Folder.
        clean: Folder.
        listing: Text file with the names to take, one a line; None takes all.
        most: Most pairs, evenly spread over the list.

    Yields:
        Each pair in colour and as grey.
    """
    names = image_names(listing, clean)
    names = names[:: max(1, -(-len(names) // most))]
    for name in names:
        found = [read_rgb(folder / name) for folder in (noisy, clean)]
        yield Case(kind, name, found[0], found[1])
    for name in names[:: max(1, len(names) // 10)]:
        found = [_grey(read_rgb(folder / name)) for folder in (noisy, clean)]
        yield Case(f'{kind}, grey', name, found[0], found[1])


def sharp_images(folder: Path | None) -> dict[str, np.ndarray]:
    """Sharp clean images: those of a folder, or those that come with scikit-image and matplotlib; at most 384 wide."""
    if folder is not None:
        found = {path.name: read_rgb(path) for path in sorted(folder.iterdir()) if path.is_file()}
    else:
        data = Path(str(files('skimage') / 'data'))
        paths = [path for name in SKIMAGE for path in data.glob(f'{name}.*')]
        sample = Path(str(files('matplotlib') / 'mpl-data' / 'sample_data'))
        paths += [path for name in MATPLOTLIB if (path := sample / name).exists()]
        found = {path.name: read_rgb(path) for path in paths}
    return {name: _middle(image) for name, image in found.items()}


def made_noise(images: dict[str, np.ndarray], seed: int) -> Iterator[Case]:
    """The images clean, and under white noise, film grain, hot pixels and banding; seeded."""
    for name, image in images.items():
        generator = np.random.default_rng([seed, *name.encode()])
        clean = image.astype(np.float32)
        height, width = image.shape[:2]

        def white(*shape: int, source: np.random.Generator = generator) -> np.ndarray:
            return source.standard_normal(shape).astype(np.float32)

        yield Case('clean', name, image, image)
        for sigma in (2, 5, 15, 25):
            yield Case(f'white σ {sigma}', name, _round(clean + sigma * white(height, width, 3)), image)
        for sigma in (10, 25):
            grey = _grey(image)
            noisy = np.repeat(_round(grey[..., :1] + sigma * white(height, width, 1)), 3, axis=2)
            yield Case(f'grey, σ {sigma}', name, noisy, grey)
        grain = cv2.GaussianBlur(white(height, width), None, 0.8)
        tone = 1 - 0.7 * (2 * clean.mean(axis=2) / 255 - 1) ** 2
        yield Case('film grain', name, _round(clean + (9 * tone * grain / grain.std())[..., None]), image)
        hot = np.where((generator.random((height, width)) < 5e-4)[..., None], 255, clean + 2 * white(height, width, 3))
        yield Case('hot pixels', name, _round(hot), image)
        bands = 8 * white(height, 1, 1) + 5 * white(height, width, 3)
        yield Case('banding', name, _round(clean + bands), image)


def _round(image: np.ndarray) -> np.ndarray:
    return image.round().clip(0, 255).astype(np.uint8)


def _grey(image: np.ndarray) -> np.ndarray:
    return np.repeat(_round(image @ GREY)[..., None], 3, axis=2)


def _middle(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, (length - SIDE) // 2) for length in image.shape[:2])
    return np.ascontiguousarray(image[top : top + SIDE, left : left + SIDE])
