"""Both SSIM conventions, and PSNR, against scikit-image and the formula, on an image."""

import numpy as np
import pytest
import skimage.data
from basicsr.metrics import calculate_metric, calculate_psnr, calculate_ssim, psnr_ssim
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from amsnet_basicsr.metrics import calculate_ssim_uniform
from amsnet_basicsr.patches.ssim import ssim_of_channel


@pytest.fixture(scope='module')
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A noisy image and the clean one, RGB, uint8; the channels are noisy to different degrees."""
    clean = skimage.data.astronaut()[100:260, 150:330]
    noise = np.random.default_rng(0).normal(0, (8, 15, 25), clean.shape)
    return (clean + noise).clip(0, 255).round().astype(np.uint8), clean


def bgr(pair: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
    """What BasicSR's metrics get from `tensor2img`."""
    return [image[..., ::-1] for image in pair]


def test_psnr_is_that_of_scikit_image(pair):
    expected = peak_signal_noise_ratio(pair[1], pair[0], data_range=255)
    assert calculate_psnr(*bgr(pair), crop_border=0) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize('y_channel', [False, True])
def test_ssim_of_basicsr_is_scikit_images_with_the_gaussian_window(pair, y_channel):
    images = [rgb2ycbcr(image)[..., :1] if y_channel else image.astype(np.float64) for image in pair]
    expected = structural_similarity(
        *images, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    found = calculate_ssim(*bgr(pair), crop_border=0, test_y_channel=y_channel)
    assert found == pytest.approx(expected, abs=1e-5)


def gaussian_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """SSIM of one channel by its formula, each window of 11×11 weighted as a whole."""
    kernel = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(kernel, kernel) / kernel.sum() ** 2

    def mean(values: np.ndarray) -> np.ndarray:
        return np.einsum('ijkl,kl->ij', np.lib.stride_tricks.sliding_window_view(values, (11, 11)), window)

    mean1, mean2 = mean(first), mean(second)
    variances = [mean(image**2) - mu**2 for image, mu in ((first, mean1), (second, mean2))]
    covariance = mean(first * second) - mean1 * mean2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1)
    return float((luminance * (2 * covariance + c2) / (sum(variances) + c2)).mean())


def test_ssim_by_columns_and_rows_is_that_of_the_whole_window(pair):
    assert psnr_ssim._ssim is ssim_of_channel  # BasicSR's metric uses it
    channels = [tuple(image[..., channel].astype(np.float64) for image in pair) for channel in range(3)]
    flat = (np.full((30, 40), 7.0), np.full((30, 40), 8.0))
    for first, second in [*channels, flat, (channels[0][1], channels[0][1])]:
        assert ssim_of_channel(first, second) == pytest.approx(gaussian_ssim(first, second), abs=1e-10)
    expected = np.mean([gaussian_ssim(*channel) for channel in channels])
    assert calculate_ssim(*bgr(pair), crop_border=0) == pytest.approx(expected, abs=1e-10)


def uniform_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """SSIM of one channel by its formula, over all 7×7 windows inside."""
    windows = [np.lib.stride_tricks.sliding_window_view(image, (7, 7)).reshape(-1, 49) for image in (first, second)]
    means = [window.mean(axis=1) for window in windows]
    variances = [window.var(axis=1, ddof=1) for window in windows]
    deviations = [window - mean[:, None] for window, mean in zip(windows, means, strict=True)]
    covariance = (deviations[0] * deviations[1]).sum(axis=1) / 48
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
    return float((luminance * (2 * covariance + c2) / (variances[0] + variances[1] + c2)).mean())


@pytest.mark.parametrize('y_channel', [False, True])
def test_ssim_with_the_uniform_window_follows_the_formula(pair, y_channel):
    images = [rgb2ycbcr(image)[..., :1] if y_channel else image.astype(np.float64) for image in pair]
    channels = range(images[0].shape[2])
    expected = np.mean([uniform_ssim(images[0][..., i], images[1][..., i]) for i in channels])
    data = dict(zip(('img', 'img2'), bgr(pair), strict=True))
    opt = {'type': 'calculate_ssim_uniform', 'crop_border': 0, 'test_y_channel': y_channel, 'better': 'higher'}
    found = calculate_metric(data, opt)  # as validation calls it, through the registry
    assert found == pytest.approx(expected, abs=1e-5)
    # Another measure than BasicSR's, by more than what papers compare.
    assert abs(found - calculate_ssim(*bgr(pair), crop_border=0, test_y_channel=y_channel)) > 1e-3


def test_the_border_is_cropped_before(pair):
    cropped = [image[4:-4, 4:-4] for image in bgr(pair)]
    assert calculate_ssim_uniform(*bgr(pair), crop_border=4) == calculate_ssim_uniform(*cropped, crop_border=0)


def test_different_shapes_are_refused(pair):
    with pytest.raises(ValueError, match='cannot be compared'):
        calculate_ssim_uniform(pair[0], pair[1][:-1], crop_border=0)
