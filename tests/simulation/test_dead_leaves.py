"""Drawn images: the same for a seed, of the palette's colours, with detail at every scale as images have."""

from itertools import pairwise

import cv2
import numpy as np

from amsnet_basicsr.simulation.dead_leaves import dead_leaves, texture

PALETTE = np.random.default_rng(0).integers(30, 220, (50, 3)).astype(np.uint8)


def draw(seed: int, side: int = 128) -> np.ndarray:
    return dead_leaves(side, PALETTE, np.random.default_rng(seed))


def test_the_same_for_a_seed():
    first, again, other = draw(1), draw(1), draw(2)
    assert first.shape == (128, 128, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_colours_are_those_of_the_palette():
    """Textures go lighter and darker, but not to another hue."""
    hues = np.array([[10, 100, 200], [20, 200, 400], [30, 60, 15]]) / 2
    for seed in range(8):
        palette = np.outer([1, 0.8, 0.5], hues[seed % 3]).astype(np.uint8)
        mean = dead_leaves(64, palette, np.random.default_rng(seed)).mean(axis=(0, 1))
        np.testing.assert_allclose(mean / mean.sum(), hues[seed % 3] / hues[seed % 3].sum(), atol=0.02)


def test_textures_are_of_all_kinds():
    """From gratings, whose power lies at a few frequencies, to grain, whose power lies at many."""
    used = []
    for seed in range(40):
        drawn = texture(64, np.random.default_rng(seed))
        assert abs(drawn.mean()) < 1e-9 and abs(drawn.std() - 1) < 1e-9
        power = np.sort(np.abs(np.fft.fft2(drawn)).ravel() ** 2)[::-1].cumsum()
        used.append(np.searchsorted(power, 0.9 * power[-1]))
    assert min(used) < 50 and max(used) > 1000, used


def test_detail_at_every_scale():
    """Energy in bands an octave apart; a flat or a blurred image has none in the finest, noise most of it there."""
    bands = np.zeros(4)
    for seed in range(12):
        image = draw(seed, 256).astype(np.float32)
        layers = [image, *(cv2.GaussianBlur(image, None, sigma) for sigma in (1, 2, 4, 8))]
        bands += [np.square(fine - coarse).mean() for fine, coarse in pairwise(layers)]
    shares = bands / bands.sum()
    assert (shares > 0.1).all() and (shares < 0.5).all(), shares
