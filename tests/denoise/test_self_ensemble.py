"""Averaging over the symmetries of the square: each is seen once, and undone."""

import numpy as np
import pytest

from amsnet_basicsr.denoise.self_ensemble import self_ensemble


@pytest.mark.parametrize('count', [1, 2, 5, 8])
def test_each_symmetry_is_seen_once_and_undone(count):
    image = np.random.default_rng(0).random((5, 5, 3), np.float32)
    seen = []

    def darken_one_corner(turned: np.ndarray) -> np.ndarray:
        seen.append(turned)
        result = turned.copy()
        result[0, 0] = 0
        return result

    result = self_ensemble([darken_one_corner] * count, image)
    assert len({turned.tobytes() for turned in seen}) == count and np.array_equal(seen[0], image)
    if count == 8:  # each corner is the first one of two symmetries
        expected = image.copy()
        expected[[0, 0, -1, -1], [0, -1, 0, -1]] *= 0.75
        np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_sides_of_different_lengths_come_back():
    image = np.random.default_rng(0).random((4, 7, 1), np.float32)
    np.testing.assert_allclose(self_ensemble([lambda turned: turned] * 8, image), image, rtol=1e-6)
