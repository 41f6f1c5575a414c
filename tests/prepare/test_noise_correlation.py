"""The estimate of noise correlation against noise whose correlation is known."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
from scipy import ndimage

from amsnet_basicsr.prepare.noise_correlation import (
    MAX_LAG,
    MIN_PATCHES,
    combine_spectra,
    estimate_noise_correlation,
    noise_spectra,
    recommend_stride,
)

LAGS = np.arange(MAX_LAG + 1)
#: Tolerances of the estimate at lags 1, 2, …: on a flat image, and on images with noise of the same strength.
FLAT, TEXTURED = 0.05, 0.06


def gaussian_blurred(sigma: float) -> np.ndarray:
    """Correlation of white noise after the blur that scipy makes: its kernel correlated with itself."""
    impulse = np.zeros(2 * 12 + 1)
    impulse[12] = 1
    kernel = ndimage.gaussian_filter1d(impulse, sigma)
    full = np.correlate(kernel, kernel, 'full')
    return full[24 : 24 + MAX_LAG + 1] / full[24]


#: What is done to white noise, and what correlation it has then.
KINDS = {
    'white': (lambda noise: noise, (LAGS == 0).astype(float)),
    'gaussian 0.5': (lambda noise: ndimage.gaussian_filter(noise, (0.5, 0.5, 0)), gaussian_blurred(0.5)),
    'gaussian 0.8': (lambda noise: ndimage.gaussian_filter(noise, (0.8, 0.8, 0)), gaussian_blurred(0.8)),
    'gaussian 1.2': (lambda noise: ndimage.gaussian_filter(noise, (1.2, 1.2, 0)), gaussian_blurred(1.2)),
    'box 2': (lambda noise: ndimage.uniform_filter(noise, (2, 2, 1)), np.clip(1 - LAGS / 2, 0, 1)),
    'box 3': (lambda noise: ndimage.uniform_filter(noise, (3, 3, 1)), np.clip(1 - LAGS / 3, 0, 1)),
}


def noise(kind: str, shape: tuple[int, ...], sigma: float, seed: int) -> np.ndarray:
    values = KINDS[kind][0](np.random.default_rng(seed).normal(size=shape))
    return values / values.std() * sigma


def to_8_bit(image: np.ndarray) -> np.ndarray:
    return image.round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def scenes() -> list[np.ndarray]:
    folder = Path(os.path.dirname(skimage.__file__)) / 'data'
    return [cv2.imread(str(folder / name)) for name in ('astronaut.png', 'chelsea.png', 'coffee.png', 'rocket.jpg')]


@pytest.mark.parametrize('kind', KINDS)
def test_noise_on_a_flat_image(kind):
    image = to_8_bit(128 + noise(kind, (512, 512, 3), 10, seed=1))
    estimate = estimate_noise_correlation(image)
    assert estimate.horizontal.shape == estimate.vertical.shape == (3, MAX_LAG + 1)
    np.testing.assert_allclose(estimate.mean, KINDS[kind][1], atol=FLAT)
    np.testing.assert_allclose(estimate.sigma * 255, 10, rtol=0.15)
    assert not estimate.doubtful


@pytest.mark.parametrize('sigma', [10, 20])
@pytest.mark.parametrize('kind', KINDS)
def test_noise_on_images(scenes, kind, sigma):
    images = [to_8_bit(scene + noise(kind, scene.shape, sigma, seed)) for seed, scene in enumerate(scenes)]
    estimate = combine_spectra(map(noise_spectra, images))
    np.testing.assert_allclose(estimate.mean, KINDS[kind][1], atol=TEXTURED)


def test_directions_and_channels_are_told_apart():
    image = np.random.default_rng(0).normal(128, 10, (512, 512, 3))
    image[..., 0] = ndimage.uniform_filter1d(image[..., 0], 3, axis=0)
    image[..., 2] = ndimage.uniform_filter1d(image[..., 2], 3, axis=1)
    estimate = estimate_noise_correlation(to_8_bit(image))
    np.testing.assert_allclose(estimate.vertical[:, 1], [2 / 3, 0, 0], atol=FLAT)
    np.testing.assert_allclose(estimate.horizontal[:, 1], [0, 0, 2 / 3], atol=FLAT)


def test_noise_that_depends_on_the_signal():
    ramp = np.tile(np.linspace(40, 200, 512), (512, 1))[..., None]
    values = noise('box 2', (512, 512, 3), 1, seed=2) * np.sqrt(ramp)
    np.testing.assert_allclose(estimate_noise_correlation(to_8_bit(ramp + values)).mean, KINDS['box 2'][1], atol=FLAT)


def test_depth_and_channels_of_the_image_do_not_matter():
    image = 0.5 + noise('box 2', (256, 256, 3), 0.04, seed=3)
    expected = estimate_noise_correlation(image)
    for given in ((image * 65535).round().astype(np.uint16), to_8_bit(image * 255)):
        found = estimate_noise_correlation(given)
        np.testing.assert_allclose(found.mean, expected.mean, atol=0.01)
        np.testing.assert_allclose(found.sigma, expected.sigma, atol=0.001)
    grey = estimate_noise_correlation(image[..., 0])
    np.testing.assert_allclose(grey.horizontal[0], estimate_noise_correlation(image[..., :1]).horizontal[0])
    assert grey.horizontal.shape == (1, MAX_LAG + 1)


def test_stride_follows_the_reach_of_the_noise():
    assert recommend_stride(KINDS['white'][1]) == 1
    assert recommend_stride(KINDS['box 2'][1]) == 2
    assert recommend_stride(KINDS['box 3'][1]) == 3
    assert recommend_stride(KINDS['gaussian 0.8'][1]) == 4
    # Noisy minus clean of the 160 pairs of SIDD validation patches, mean of channels and directions.
    assert recommend_stride([1, 0.4382, 0.0599, 0.0211, 0.0212, 0.0040, 0.0077]) == 5
    assert recommend_stride([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]) == MAX_LAG
    assert recommend_stride([1, 0.4, -0.2, 0, 0, 0, 0]) == 3  # sharpened noise is no more independent
    assert recommend_stride([1, 0.4, 0, 0.2, 0, 0, 0]) == 4  # passing through zero is not the end


@pytest.mark.parametrize(('kind', 'least', 'most'), [('white', 1, 1), ('box 2', 2, 3), ('gaussian 0.8', 4, 5)])
def test_stride_from_flat_images(kind, least, most):
    image = to_8_bit(128 + noise(kind, (512, 512, 3), 10, seed=4))
    assert least <= recommend_stride(estimate_noise_correlation(image)) <= most


def test_white_noise_on_images_wants_one_or_two(scenes):
    images = [to_8_bit(scene + noise('white', scene.shape, 15, seed)) for seed, scene in enumerate(scenes)]
    assert recommend_stride(combine_spectra(map(noise_spectra, images))) <= 2


def test_texture_alone_is_doubted():
    texture = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=(512, 512, 3)), (6, 6, 0))
    estimate = estimate_noise_correlation(to_8_bit(128 + 400 * texture))
    assert estimate.doubtful
    assert recommend_stride(estimate) == MAX_LAG


@pytest.mark.parametrize(
    'image',
    [
        np.full((256, 256, 3), 90, np.uint8),  # no noise
        np.random.default_rng(0).choice([0, 255], (256, 256, 3)).astype(np.uint8),  # clipped
        np.random.default_rng(0).normal(128, 9, (40, 40, 3)).astype(np.uint8),  # too small
        np.zeros((8, 8, 3), np.uint8),
    ],
    ids=['noiseless', 'clipped', 'small', 'tiny'],
)
def test_no_estimate_without_flat_noisy_patches(image):
    with pytest.raises(ValueError, match=f'too few to see the noise \\({MIN_PATCHES}\\)'):
        estimate_noise_correlation(image)
