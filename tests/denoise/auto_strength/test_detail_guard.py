"""What a denoiser took away and was no noise comes back; noise stays away."""

import cv2
import numpy as np
import pytest
import torch

from amsnet_basicsr.denoise.auto_strength import detail_guard
from amsnet_basicsr.denoise.auto_strength.detail_guard import give_back_detail
from amsnet_basicsr.denoise.auto_strength.noise_level import LITTLE, noise_level


def scene(height: int = 200, width: int = 232) -> np.ndarray:
    """Smooth, with a part full of lines of one pixel; values from 0 to 255."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([80 + 0.3 * x, 100 + 0.2 * y, 120 + 20 * np.sin(x / 40)], axis=-1)
    image[20:80, 20:80:2] += 60
    return image


def tensor(image: np.ndarray, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    image = np.ascontiguousarray(image.transpose(2, 0, 1)).clip(0, 255)
    if dtype == torch.uint8:
        return torch.from_numpy(image.round().astype(np.uint8))
    return torch.from_numpy((image * 257).round().astype(np.uint16) if dtype == torch.uint16 else image / 255).to(dtype)


def blur(image: np.ndarray) -> np.ndarray:
    """A denoiser that takes the lines away with the noise."""
    return cv2.GaussianBlur(image, None, 3)


def guarded(sigma: float) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """The scene, what the blur makes of it under white noise, and that with its detail given back."""
    clean = scene()
    noisy = clean + np.random.default_rng(0).normal(0, sigma, clean.shape)
    before = tensor(blur(noisy))
    denoised = before.clone()
    give_back_detail(tensor(noisy), denoised)
    return clean, before, denoised


def psnr(image: torch.Tensor, clean: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((image.numpy().transpose(1, 2, 0) - clean) ** 2).mean()))


@pytest.mark.parametrize('sigma', [2, 5, 10, 20])
def test_the_level_is_that_of_the_noise(sigma):
    noisy = scene() + np.random.default_rng(0).normal(0, sigma, (200, 232, 3))
    level = noise_level(tensor(noisy, torch.float32), tensor(blur(noisy), torch.float32))
    assert 255 * level.middle == pytest.approx(sigma, rel=0.2)


def test_the_level_goes_by_brightness():
    ramp = np.repeat(np.linspace(20, 230, 512)[None, :, None], 256, axis=0).repeat(3, axis=2)
    sigma = np.sqrt(ramp)
    noisy = ramp + sigma * np.random.default_rng(0).standard_normal(ramp.shape)
    level = noise_level(tensor(noisy, torch.float32), tensor(ramp, torch.float32))
    for value in (40, 125, 210):
        assert 255 * float(level.at(torch.tensor(value / 255))) == pytest.approx(np.sqrt(value), rel=0.25)


@pytest.mark.parametrize('sigma', [0, 10])
def test_a_frame_of_one_colour_tells_nothing_of_the_noise_within(sigma):
    framed = np.full((480, 480, 3), 128.0)
    framed[:200, :232] = scene()
    noisy = framed.copy()
    noisy[:200, :232] += np.random.default_rng(0).normal(0, sigma, (200, 232, 3))
    level = noise_level(tensor(noisy), tensor(blur(noisy))).middle * 255
    assert level == pytest.approx(sigma, rel=0.2, abs=0.4)


@pytest.mark.parametrize('sigma', [0, 10])
def test_noise_beside_dense_texture_is_noise_of_the_whole_image(sigma):
    """As on a page of letters: there all that is removed may be texture, only the margin tells the noise."""
    generator = np.random.default_rng(0)
    clean = np.full((240, 240, 1), 200.0)
    texture = 60 * generator.choice([-1, 1], (240, 160, 1))
    clean[:, :160] = 100 + texture
    noisy, denoised = clean + sigma * generator.standard_normal(clean.shape), clean.copy()
    denoised[:, :160] -= texture / 10
    assert noise_level(tensor(noisy), tensor(denoised)).middle * 255 == pytest.approx(sigma, rel=0.1, abs=0.4)


@pytest.mark.parametrize('sigma', [1, 5, 25])
def test_the_level_of_white_noise_is_exact_whatever_texture_was_taken_away(sigma):
    texture = 10 * np.random.default_rng(1).standard_normal((200, 232, 1)) * (np.arange(232) > 60)[:, None]
    flat = np.full((200, 232, 3), 128.0)
    noise = np.random.default_rng(0).normal(0, sigma, (200, 232, 3))
    for clean in (flat, flat + texture):
        level = noise_level(tensor(clean + noise, torch.float32), tensor(flat, torch.float32))
        assert 255 * level.middle == pytest.approx(sigma, rel=0.1)


def grain(deviation: float) -> np.ndarray:
    """Grain as of a film, alike in the three channels."""
    soft = cv2.GaussianBlur(np.random.default_rng(0).standard_normal((200, 232)), None, 0.7)
    return (deviation * soft / soft.std())[..., None]


def as_jpeg(image: np.ndarray, quality: int = 92) -> np.ndarray:
    data = cv2.imencode('.jpg', image.clip(0, 255).round().astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


@pytest.fixture
def uneven() -> torch.Tensor:
    """The scene with grain that is stronger here than there at the same brightness, saved as JPEG."""
    strength = 1 + 2 * (np.arange(232) // 32 % 2)[None, :, None]
    return tensor(as_jpeg(scene() + strength * grain(2)))


def test_noise_is_even_over_frequencies_or_over_blocks(uneven):
    clean = tensor(scene())
    assert noise_level(tensor(scene() + grain(4)), clean).is_even
    assert noise_level(tensor(as_jpeg(scene() + grain(4))), clean).is_even
    assert not noise_level(uneven, clean).is_even


def test_of_noise_that_may_be_texture_a_part_is_left_in(uneven):
    denoised = tensor(scene())  # a network that takes all of it away
    give_back_detail(uneven, denoised)
    removed = [(image.float() - uneven.float())[:, 100:].std() for image in (denoised, tensor(scene()))]
    assert 0.6 < removed[0] / removed[1] < 0.85


@pytest.mark.parametrize(('deviation', 'least', 'most'), [(0.45, 0, 0), (0.75, 0.2, 0.8), (2, 0.9, 1.1)])
def test_denoising_sets_in_with_the_level(deviation, least, most):
    noisy = tensor(scene() + np.random.default_rng(0).normal(0, deviation, (200, 232, 3)), torch.float32)
    clean = tensor(scene(), torch.float32)
    denoised = clean.clone()
    give_back_detail(noisy, denoised)
    removed = [(image - noisy)[:, 100:].std() for image in (denoised, clean)]
    assert least <= removed[0] / removed[1] <= most


def test_colours_without_a_second_difference_are_no_fault():
    """Orange, as in false colours: red and blue add up to twice green."""
    values = 40 + 60 * np.random.default_rng(0).random((64, 64))
    noisy = tensor(np.stack([2 * values, values, 0 * values], axis=-1))
    assert give_back_detail(noisy, noisy.clone()) >= 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpu_gives_the_same():
    noisy = tensor(scene() + np.random.default_rng(0).normal(0, 4, (200, 232, 3)))
    results = [tensor(blur(scene())), tensor(blur(scene())).cuda()]
    for result in results:
        give_back_detail(noisy.to(result.device), result)
    assert (results[0].int() - results[1].cpu().int()).abs().max() <= 1


def test_detail_comes_back_and_noise_does_not():
    clean, before, denoised = guarded(4)
    lines = (slice(None), slice(20, 80), slice(20, 80))
    assert psnr(denoised[lines], clean[20:80, 20:80]) > psnr(before[lines], clean[20:80, 20:80]) + 10
    flat = (slice(None), slice(120, 190), slice(20, 220))
    assert psnr(denoised[flat], clean[120:190, 20:220]) > psnr(before[flat], clean[120:190, 20:220]) - 0.5


@pytest.mark.parametrize('dtype', [torch.uint8, torch.uint16, torch.float32])
def test_an_image_without_noise_is_left_as_it_is(dtype):
    clean = tensor(scene(), dtype)
    denoised = tensor(blur(scene()), dtype)
    assert give_back_detail(clean, denoised) < LITTLE
    assert torch.equal(denoised, clean)


def test_hot_pixels_stay_removed():
    clean = scene()
    noisy = clean + np.random.default_rng(0).normal(0, 2, clean.shape)
    places = np.random.default_rng(1).integers(100, 190, (12, 2))
    noisy[places[:, 0], places[:, 1]] = 255
    denoised = tensor(clean)
    give_back_detail(tensor(noisy), denoised)
    for row, column in places:
        assert np.abs(denoised[:, row, column].numpy() - clean[row, column]).max() < 3


def test_strong_noise_is_left_to_the_network():
    clean, before, denoised = guarded(30)
    changed = (denoised.int() - before.int()).abs().float()
    assert changed[:, 100:].mean() < 0.5  # below the lines
    assert psnr(denoised[:, 100:], clean[100:]) > psnr(before[:, 100:], clean[100:])
    assert psnr(denoised, clean) > psnr(before, clean)


@pytest.mark.parametrize('sigma', [0, 2])
def test_dense_texture_is_not_noise(sigma):
    texture = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 40, (200, 232, 1)), None, 1)
    clean = scene() + texture[..., None]
    noisy = clean + np.random.default_rng(1).normal(0, sigma, clean.shape)
    denoised = tensor(cv2.GaussianBlur(noisy, None, 1))
    before = psnr(denoised, clean)
    give_back_detail(tensor(noisy), denoised)
    assert before < 36 and psnr(denoised, clean) > psnr(tensor(noisy), clean) - 0.3


def test_grey_stays_grey():
    grey = scene().mean(axis=2, keepdims=True).repeat(3, axis=2)
    noisy = tensor(grey + np.random.default_rng(0).normal(0, 5, (*grey.shape[:2], 1)), torch.float32)
    denoised = tensor(blur(grey), torch.float32)
    give_back_detail(noisy, denoised)
    assert torch.equal(denoised[0], denoised[1]) and torch.equal(denoised[0], denoised[2])


def test_bands_make_no_difference(monkeypatch):
    noisy = scene(150) + np.random.default_rng(0).normal(0, 4, (150, 232, 3))
    results = []
    for rows, columns in ((1000, 1000), (64, 1000), (16, 1000), (64, 76)):
        monkeypatch.setattr(detail_guard, 'BAND', rows)
        monkeypatch.setattr(detail_guard, 'BAND_WIDTH', columns)
        denoised = tensor(blur(noisy))
        give_back_detail(tensor(noisy), denoised)
        results.append(denoised)
    for result in results[1:]:  # sums of another order may round to another level
        assert (results[0].int() - result.int()).abs().max() <= 1


@pytest.mark.parametrize('size', [(1, 1), (3, 40), (7, 7), (9, 8)])
def test_the_smallest_images(size):
    noisy = scene()[: size[0], : size[1]] + np.random.default_rng(0).normal(0, 9, (*size, 3))
    denoised = tensor(scene()[: size[0], : size[1]])
    assert give_back_detail(tensor(noisy), denoised) >= 0


@pytest.mark.parametrize('size', [(32, 32), (5, 40)])
def test_what_is_left_as_it_is_stays_in_range(size):
    noisy = torch.full((3, *size), 0.5)
    noisy[:, 2, 3] = 1.01
    denoised = noisy.clamp(0, 1)
    give_back_detail(noisy, denoised)
    assert torch.equal(denoised, noisy.clamp(0, 1))
