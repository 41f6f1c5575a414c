"""Kinds of noise: unbiased where they should be, of the strength and correlation that they are named for."""

import cv2
import numpy as np
import pytest

from amsnet_basicsr.simulation.noise_kinds import KINDS, grey, jpeg, none, sharpen, transplant, white

FLAT = np.full((128, 128, 3), (90, 120, 150), np.float32)


@pytest.mark.parametrize('name', KINDS)
def test_every_kind_keeps_shape_and_brightness(name):
    for seed in range(12):
        noisy = KINDS[name](FLAT, np.random.default_rng(seed))
        again = KINDS[name](FLAT, np.random.default_rng(seed))
        np.testing.assert_array_equal(noisy, again)
        assert noisy.shape == FLAT.shape and noisy.dtype == np.float32
        assert np.abs((noisy - FLAT).mean()) < 4
        assert (np.abs(noisy - FLAT).max() == 0) == (name == 'none')


def test_noise_is_shared_by_channels_or_not():
    noise = white(FLAT, np.random.default_rng(3)) - FLAT
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.05
    noise = grey(FLAT, np.random.default_rng(3)) - FLAT
    np.testing.assert_allclose(noise[..., 0], noise[..., 2], atol=1e-4)


def test_no_noise_is_the_image():
    assert none(FLAT, np.random.default_rng(0)) is FLAT


def test_transplanted_noise_has_the_strength_of_the_other_at_all_scales():
    """The denoiser here leaves coarse noise in: the transplant has it all the same."""
    rng = np.random.default_rng(0)
    noisy = FLAT + cv2.GaussianBlur(30 * rng.standard_normal(FLAT.shape).astype(np.float32), None, 0.7)
    denoised = cv2.GaussianBlur(noisy, None, 6)
    moved = transplant(FLAT + 20, noisy, denoised, np.random.default_rng(1)) - (FLAT + 20)
    for size, lacks in ((1, False), (4, False), (16, True), (32, True)):
        true, got, residual = (cv2.blur(noise, (size, size)).std() for noise in (noisy - FLAT, moved, noisy - denoised))
        assert got == pytest.approx(true, rel=0.3), size
        assert (residual < 0.7 * true) == lacks


def test_jpeg_stays_near_and_sharpening_raises_edges():
    edge = (
        np.repeat(np.repeat([[60.0], [180.0]], 32, axis=0), 64, axis=1)[..., None].repeat(3, axis=2).astype(np.float32)
    )
    assert np.abs(jpeg(edge, np.random.default_rng(0)) - edge).mean() < 3
    assert sharpen(edge, 1.0, 0.5).max() > 185
    np.testing.assert_allclose(sharpen(FLAT, 1.0, 0.5), FLAT, atol=1e-3)
