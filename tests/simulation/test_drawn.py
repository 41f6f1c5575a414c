"""Drawn scenes: the same for a seed, and each kind of detail is there."""

import numpy as np

from amsnet_basicsr.simulation.drawn import draw_scene

PALETTE = np.random.default_rng(0).integers(30, 220, (50, 3)).astype(np.uint8)


def test_the_same_for_a_seed():
    first, again, other = (draw_scene(64, PALETTE, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_flat_parts_and_sharp_edges_are_common():
    """A denoiser must see both: places without any gradient, and steps of half of the range between two pixels."""
    flat, sharp = [], []
    for seed in range(40):
        step = np.abs(np.diff(draw_scene(96, PALETTE, np.random.default_rng(seed)).astype(int), axis=1)).max(axis=2)
        flat.append((step == 0).mean())
        sharp.append((step > 100).mean())
    assert np.mean(flat) > 0.2
    assert np.mean(np.array(sharp) > 0.01) > 0.2
