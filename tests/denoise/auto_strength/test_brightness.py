"""The brightness of a denoised photograph follows the mean of the noise in linear light."""

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter

from amsnet_basicsr.denoise.auto_strength.brightness import (
    SHARE,
    arose_in_linear_light,
    brightness_curves,
    censored_mean,
    match_brightness,
)
from amsnet_basicsr.denoise.auto_strength.detail_guard import give_back_detail
from amsnet_basicsr.denoise.auto_strength.noise_level import interpolate, noise_level
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


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()


def photograph(own: bool, linear: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A grey ramp, and the same with soft noise, of each channel or alike, in linear light or behind the tone curve."""
    clean, _ = noisy_ramp(0.25, 0)
    noise = np.random.default_rng(0).normal(0, 1, clean.shape)
    noise = cv2.GaussianBlur(noise if own else noise[..., :1].repeat(3, axis=2), None, 0.8)
    noise = 0.03 * noise / noise.std()
    return clean, to_srgb((to_linear(clean) + noise).clip(0, 1)) if linear else (clean + noise).clip(0, 1)


@pytest.mark.parametrize(('own', 'linear', 'share'), [(True, True, 0.75), (False, True, 1), (False, False, 0)])
def test_auto_gives_a_photograph_its_brightness_and_leaves_that_of_film_grain(own, linear, share):
    clean, noisy = photograph(own, linear)
    before, denoised = tensor(clean - 0.03), tensor(clean - 0.03)
    assert noise_level(tensor(noisy), before).is_of_a_camera == own
    give_back_detail(tensor(noisy), denoised)
    assert float((denoised - before).mean()) == pytest.approx(share * 0.03, abs=0.005)


def cut_off_in_the_camera() -> tuple[np.ndarray, np.ndarray]:
    """A dark grey ramp, and the same with noise that was cut off at black before the channels were mixed."""
    clean, noisy = noisy_ramp(0.12, 0.02)
    mixed = to_linear(noisy) @ np.array([[1.6, -0.4, -0.2], [-0.3, 1.5, -0.2], [-0.1, -0.5, 1.6]]).T
    return clean, to_srgb(mixed.clip(0, 1))


def cut_off_behind_the_tone_curve() -> tuple[np.ndarray, np.ndarray]:
    """A dark grey ramp, and the same with noise added to it."""
    clean, _ = noisy_ramp(0.1, 0)
    return clean, (clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)).clip(0, 1)


@pytest.mark.parametrize(
    ('made', 'expected'),
    [
        (lambda: noisy_ramp(0.35, 0.02), True),
        (cut_off_in_the_camera, True),
        (lambda: photograph(False, False), False),
        (cut_off_behind_the_tone_curve, False),
    ],
    ids=['camera', 'cut off in the camera', 'film grain', 'cut off behind the tone curve'],
)
def test_the_light_that_noise_arose_in(made, expected):
    clean, noisy = (tensor(image)[:1] for image in made())
    assert arose_in_linear_light(noisy, clean) == expected


def test_curves_of_a_tensor_are_those_of_an_array():
    clean, noisy = photograph(True)
    denoised = clean - 0.03
    curves = brightness_curves(tensor(noisy), tensor(denoised), SHARE)
    shifted = torch.stack([x + interpolate(x, *curve) for x, curve in zip(tensor(denoised), curves, strict=True)])
    assert (shifted - tensor(match_brightness(noisy, denoised))).abs().max() < 1e-4


def test_noise_whose_colours_differ_is_not_white():
    clean = np.full((128, 128, 3), 0.5)
    normal = np.random.default_rng(0).normal(0, 0.02, (3, 128, 128, 1))
    alike = normal[0] + normal[1] * [1, 0, -1] / 2**0.5 + normal[2] * [1, -2, 1] / 6**0.5
    unlike = normal[0] + normal[1] * [1, 0, -1] / 2**0.5 + 0.4 * normal[2] * [1, -2, 1] / 6**0.5
    assert noise_level(tensor(clean + alike), tensor(clean)).is_white
    assert not noise_level(tensor(clean + unlike), tensor(clean)).is_white
