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


def test_colours_lie_between_those_of_the_palette(script):
    for seed in range(8):
        picture = draw(script, seed, 64)
        assert (picture >= PALETTE.min(axis=0)).all() and (picture <= PALETTE.max(axis=0)).all()


def test_detail_at_every_scale(script):
    """Energy in bands an octave apart; a flat or a blurred picture has none in the finest, noise most of it there."""
    bands = np.zeros(4)
    for seed in range(12):
        picture = draw(script, seed, 256).astype(np.float32)
        layers = [picture, *(cv2.GaussianBlur(picture, None, sigma) for sigma in (1, 2, 4, 8))]
        bands += [np.square(fine - coarse).mean() for fine, coarse in pairwise(layers)]
    shares = bands / bands.sum()
    assert (shares > 0.1).all() and (shares < 0.5).all(), shares
