"""Drawn pictures: the same for a seed, of the palette's colours, with detail at every scale as photographs have."""

import importlib
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType

import cv2
import numpy as np
import pytest

from tests.conftest import REPOSITORY

PALETTE = np.random.default_rng(0).integers(30, 220, (50, 3)).astype(np.uint8)


@pytest.fixture(scope='module')
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / 'scripts')
        yield importlib.import_module('dead_leaves')


def draw(script: ModuleType, seed: int, side: int = 128) -> np.ndarray:
    return script.dead_leaves(side, PALETTE, np.random.default_rng(seed))


def test_the_same_for_a_seed(script):
    first, again, other = draw(script, 1), draw(script, 1), draw(script, 2)
    assert first.shape == (128, 128, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_colours_are_those_of_the_palette(script):
    """Textures go lighter and darker, but not to another hue."""
    hues = np.array([[10, 100, 200], [20, 200, 400], [30, 60, 15]]) / 2
    for seed in range(8):
        palette = np.outer([1, 0.8, 0.5], hues[seed % 3]).astype(np.uint8)
        mean = script.dead_leaves(64, palette, np.random.default_rng(seed)).mean(axis=(0, 1))
        np.testing.assert_allclose(mean / mean.sum(), hues[seed % 3] / hues[seed % 3].sum(), atol=0.02)


def test_textures_are_of_all_kinds(script):
    """From gratings, whose power lies at a few frequencies, to grain, whose power lies at many."""
    used = []
    for seed in range(40):
        drawn = script.texture(64, np.random.default_rng(seed))
        assert abs(drawn.mean()) < 1e-9 and abs(drawn.std() - 1) < 1e-9
        power = np.sort(np.abs(np.fft.fft2(drawn)).ravel() ** 2)[::-1].cumsum()
        used.append(np.searchsorted(power, 0.9 * power[-1]))
    assert min(used) < 50 and max(used) > 1000, used


def test_detail_at_every_scale(script):
    """Energy in bands an octave apart; a flat or a blurred picture has none in the finest, noise most of it there."""
    bands = np.zeros(4)
    for seed in range(12):
        picture = draw(script, seed, 256).astype(np.float32)
        layers = [picture, *(cv2.GaussianBlur(picture, None, sigma) for sigma in (1, 2, 4, 8))]
        bands += [np.square(fine - coarse).mean() for fine, coarse in pairwise(layers)]
    shares = bands / bands.sum()
    assert (shares > 0.1).all() and (shares < 0.5).all(), shares
