"""The image to judge by: what is where, and how large it may get."""

import cv2
import numpy as np
import pytest

from amsnet_basicsr.denoise.detail import detailed_part
from amsnet_basicsr.denoise.gallery.compare import compare_image
from amsnet_basicsr.images import ImageData, Metadata


def test_small_images_stand_side_by_side_at_full_size():
    noisy, denoised = (np.random.default_rng(seed).integers(0, 65536, (30, 40, 3)).astype(np.uint16) for seed in (0, 1))
    result = compare_image(ImageData(noisy, noisy[..., 0], Metadata(exif=b'x', icc=b'profile')), ImageData(denoised))
    assert result.pixels.shape == (30, 88, 3) and result.pixels.dtype == np.uint8
    assert np.array_equal(result.pixels[:, :40], np.round(noisy / 257)) and (result.pixels[:, 40:48] == 128).all()
    assert np.array_equal(result.pixels[:, 48:], np.round(denoised / 257))
    assert result.alpha is None and result.metadata == Metadata(icc=b'profile')


def test_large_images_are_scaled_with_a_crop_of_the_edges_below():
    rng = np.random.default_rng(0)
    denoised = np.full((1200, 1800, 1), 100, np.uint8)
    denoised[700:1000, 1200:1500, 0] = np.kron(rng.integers(0, 2, (15, 15)) * 200, np.ones((20, 20)))
    noisy = (denoised + rng.integers(0, 30, denoised.shape)).astype(np.uint8)
    result = compare_image(ImageData(noisy), ImageData(denoised)).pixels
    assert result.shape == (533 + 8 + 480, 800 + 8 + 800, 1)
    small = cv2.resize(denoised, (800, 533), interpolation=cv2.INTER_AREA)[..., None]
    top, left, *_ = detailed_part(small, (1200, 1800), (480, 800))
    assert top <= 700 and top + 480 >= 1000 and left <= 1200 and left + 800 >= 1500
    assert np.array_equal(result[541:, :800], noisy[top : top + 480, left : left + 800])
    assert np.array_equal(result[541:, 808:], denoised[top : top + 480, left : left + 800])
    assert abs(int(result[:533, :800].mean()) - noisy.mean()) < 2


@pytest.mark.parametrize('shape', [(1, 1), (1, 5000), (5000, 1), (3000, 20), (2000, 2000)])
def test_any_shape_gives_an_image_of_bounded_size(shape):
    pixels = np.zeros((*shape, 3), np.uint8)
    height, width, _ = compare_image(ImageData(pixels), ImageData(pixels)).pixels.shape
    assert 1 <= height <= 1288 and 1 <= width <= 1608
