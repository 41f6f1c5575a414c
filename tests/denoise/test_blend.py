"""Strength, luma, chroma and grain: exact values of one rule."""

import numpy as np
import pytest
import torch

from amsnet_basicsr.denoise.blend import Blend
from tests.denoise.test_denoiser import plain


def pixel(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None, None]


NOISY, DENOISED = pixel(0.5, 0.6, 0.7), pixel(0.4, 0.4, 0.9)
# Change (-0.1, -0.2, 0.2); its luminance 0.299 · -0.1 + 0.587 · -0.2 + 0.114 · 0.2 = -0.1245.


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({}, (0.4, 0.4, 0.9)),
        ({'strength': 'auto'}, (0.4, 0.4, 0.9)),
        ({'strength': 0}, (0.5, 0.6, 0.7)),
        ({'strength': 0.5}, (0.45, 0.5, 0.8)),
        ({'grain': 0.25}, (0.425, 0.45, 0.85)),
        ({'strength': 'auto', 'grain': 0.25}, (0.425, 0.45, 0.85)),
        ({'strength': 0.5, 'grain': 0.5}, (0.475, 0.55, 0.75)),
        ({'chroma': 0}, (0.3755, 0.4755, 0.5755)),
        ({'luma': 0}, (0.5245, 0.5245, 1.0245)),
        ({'luma': 0.5}, (0.46225, 0.46225, 0.96225)),
        ({'strength': 0, 'luma': 1}, (0.3755, 0.4755, 0.5755)),
        ({'luma': 0.5, 'chroma': 1, 'grain': 1}, (0.5, 0.6, 0.7)),
    ],
)
def test_exact_values(settings, expected):
    result = Blend.of(**settings)(NOISY, DENOISED)
    torch.testing.assert_close(result, pixel(*expected), atol=1e-7, rtol=0)


def test_colours_alone_leave_the_luminance_and_grey_has_no_colours():
    weights = pixel(0.299, 0.587, 0.114)
    result = Blend.of(luma=0)(NOISY, DENOISED)
    assert float((weights * result).sum()) == pytest.approx(float((weights * NOISY).sum()), abs=1e-7)
    assert Blend.of(luma=0.5, chroma=0)(pixel(0.5), pixel(0.4)).item() == pytest.approx(0.45)


@pytest.mark.parametrize('name', ['strength', 'luma', 'chroma', 'grain'])
def test_what_is_out_of_range_is_named(name):
    for value in (-0.1, 1.5, float('nan'), 'much'):
        with pytest.raises(ValueError, match=f'^{name} must be from 0 to 1(, or auto)?, got'):
            Blend.of(**{name: value})
    for no_number in ({'strength': None}, {'grain': None}):
        with pytest.raises(ValueError, match='got None'):
            Blend.of(**no_number)


@pytest.mark.parametrize('strength', [1.0, 'auto'])
@pytest.mark.parametrize('channels', [1, 3, 4])
def test_the_denoiser_blends_so(strength, channels):
    image = np.random.default_rng(0).integers(0, 200, (300, 40, channels), dtype=np.uint8)  # more than one band
    full = plain()(image, strength)
    result = plain()(image, strength, luma=0.5, chroma=1, grain=0.2)
    tensors = (torch.from_numpy(x[..., :3] / 255.0).permute(2, 0, 1) for x in (image, full))
    expected = Blend(luma=0.4, chroma=0.8)(*tensors).clamp(0, 1).permute(1, 2, 0).numpy() * 255
    assert np.abs(result[..., :3] - expected).max() <= 1
    assert np.array_equal(result[..., 3:], image[..., 3:])
    assert np.array_equal(plain()(image, strength, grain=1.0), image)
