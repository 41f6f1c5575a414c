"""The brightness of a student's targets follows the mean of the noise in linear light."""

import numpy as np
import pytest
from scipy.ndimage import median_filter

from amsnet_basicsr.denoise.auto_strength.brightness import censored_mean, match_brightness
from amsnet_basicsr.simulation.srgb import to_linear, to_srgb


def noisy_ramp(darkest: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """A grey ramp, and the same with noise in linear light that was cut off at black and white."""
    clean = np.linspace(darkest, darkest + 0.3, 256)[None, :, None].repeat(256, axis=0).repeat(3, axis=2)
    noise = np.random.default_rng(0).normal(0, sigma, clean.shape)
    return clean, to_srgb((to_linear(clean) + noise).clip(0, 1))


def test_a_median_is_shifted_to_the_mean_in_linear_light():
    clean, noisy = noisy_ramp(0.35, 0.02)
    denoised = np.stack([median_filter(noisy[..., channel], 9) for channel in range(3)], axis=-1) - 0.03
    before, after = (denoised - clean).mean(), (match_brightness(noisy, denoised, share=1) - clean).mean()
    assert before < -0.029 and abs(after) < 0.002


def test_what_is_bright_enough_already_stays():
    clean, noisy = noisy_ramp(0.35, 0.02)
    assert np.abs(match_brightness(noisy, clean) - clean).max() < 0.004


def test_values_cut_off_at_black_are_no_brightness():
    """The shift lies between that of the mean, which is too high, and that of a censored normal distribution."""
    clean, noisy = noisy_ramp(0.05, 0.05)
    too_bright = to_srgb(to_linear(clean) + (to_linear(noisy) - to_linear(clean)).mean())
    shifted = match_brightness(noisy, clean, share=1)
    assert 0 < (shifted - clean).mean() < 0.75 * (too_bright - clean).mean()


@pytest.mark.parametrize('mean', [-0.5, 0.0, 0.7])
def test_the_mean_behind_a_cut(mean):
    values = np.random.default_rng(0).normal(mean, 1, 40000)
    seen, low, high = values.clip(-0.3, 1.2), np.full_like(values, -0.3), np.full_like(values, 1.2)
    assert censored_mean(seen, low, high, values <= -0.3, values >= 1.2) == pytest.approx(mean, abs=0.03)


def test_black_stays_black():
    black = np.zeros((32, 32, 3))
    assert not match_brightness(black, black).any()
