"""The simulated noise is what it claims: signal-dependent, correlated like a phone's, seeded."""

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.data.camera_noise_dataset import SKIMAGE_SCENES, CameraNoiseDataset
from amsnet_basicsr.simulation.camera import Camera, add_sensor_noise, linear_to_srgb, srgb_to_linear
from amsnet_basicsr.simulation.demosaic import BAYER_PATTERNS, bayer_mosaic, demosaic


def autocorrelation(residual: np.ndarray, distance: int) -> float:
    """Of the high-passed residual, mean of both directions."""
    high = residual - gaussian_filter(residual, (8, 8, 0))
    pairs = (high[:, :-distance] * high[:, distance:]).mean() + (high[:-distance] * high[distance:]).mean()
    return float(pairs / 2 / (high**2).mean())


def residual(camera: Camera, scene: np.ndarray) -> np.ndarray:
    noisy = camera.expose(scene, torch.Generator().manual_seed(0))
    return noisy.astype(float) - camera.expose(scene, None)


def test_transfer_curve_goes_there_and_back():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(linear_to_srgb(srgb_to_linear(levels)), levels)


@pytest.mark.parametrize('pattern', BAYER_PATTERNS)
@pytest.mark.parametrize('correction', [0, 0.5, 1])
def test_demosaic_keeps_what_was_measured_and_flat_colours(pattern, correction):
    flat = np.broadcast_to(np.array([0.2, 0.5, 0.7], np.float32), (12, 14, 3))
    np.testing.assert_allclose(demosaic(bayer_mosaic(flat, pattern), pattern, correction), flat, atol=1e-6)
    image = np.random.default_rng(0).random((12, 14, 3), np.float32)
    mosaic = bayer_mosaic(image, pattern)
    np.testing.assert_array_equal(bayer_mosaic(demosaic(mosaic, pattern, correction), pattern), mosaic)


def test_demosaic_of_a_slope_is_the_slope():
    slope = np.stack([np.linspace(0, 1, 16, dtype=np.float32)[None].repeat(12, 0)] * 3, -1)
    for correction in (0, 1):
        out = demosaic(bayer_mosaic(slope), 'RGGB', correction)
        np.testing.assert_allclose(out[2:-2, 2:-2], slope[2:-2, 2:-2], atol=1e-6)


def test_sensor_noise_has_the_variance_it_should():
    for level in (0.05, 0.4):
        noisy = add_sensor_noise(torch.full((200_000,), level), 0.01, 0.02, torch.Generator().manual_seed(0))
        assert noisy.mean().item() == pytest.approx(level, abs=1e-3)
        assert noisy.var().item() == pytest.approx(0.01 * level + 0.02**2, rel=0.03)


def test_noise_is_correlated_like_a_phones():
    # SIDD's residual measures .43 at one pixel and .04 at two.
    grey = np.full((256, 256, 3), 110, np.uint8)
    noise = residual(Camera(), grey)
    assert autocorrelation(noise, 1) == pytest.approx(0.43, abs=0.08)
    assert autocorrelation(noise, 2) == pytest.approx(0.04, abs=0.06)


def test_noise_depends_on_the_signal():
    dark, bright = (np.full((128, 128, 3), level, np.uint8) for level in (20, 160))
    linear_dark, linear_bright = (srgb_to_linear(np.full(1, level, np.uint8))[0] for level in (20, 160))
    assert linear_dark < linear_bright
    shot = Camera(shot=0.01, read=0)
    noises = []
    for scene in (dark, bright):
        noisy = srgb_to_linear(shot.expose(scene, torch.Generator().manual_seed(0)))
        noises.append((noisy - srgb_to_linear(shot.expose(scene, None))).std())
    assert noises[1] > 2 * noises[0]


def dataset(**options: object) -> CameraNoiseDataset:
    return CameraNoiseDataset({'name': 'photos', 'type': 'CameraNoiseDataset', 'phase': 'val', **options})


def test_default_scenes_are_noisy_but_not_ruined():
    images = dataset()
    assert len(images) == len(SKIMAGE_SCENES)
    psnr = [10 * np.log10(1 / float(((item['lq'] - item['gt']) ** 2).mean())) for item in images]
    assert 23 <= np.mean(psnr) <= 25


def test_scenes_shots_and_seed():
    both = dataset(scenes=['coffee', 'astronaut'], shots=2)
    assert [item['lq_path'].rpartition('/')[2] for item in both] == [
        'coffee_0.png', 'coffee_1.png', 'astronaut_0.png', 'astronaut_1.png'
    ]  # fmt: skip
    assert not torch.equal(both[0]['lq'], both[1]['lq'])
    assert torch.equal(both[0]['gt'], both[1]['gt'])
    alone = dataset(scenes=['astronaut'], shots=2)
    assert torch.equal(alone[1]['lq'], both[3]['lq'])  # the same noise whatever else is there
    assert not torch.equal(dataset(scenes=['astronaut'], shots=2, seed=1)[0]['lq'], alone[0]['lq'])
    with pytest.raises(ValueError, match='no scene tea'):
        dataset(scenes=['tea'])
    with pytest.raises(ValueError, match="did you mean 'shots'"):
        dataset(shot=2)
    with pytest.raises(ValueError, match="did you mean 'read'"):
        dataset(camera={'reed': 0.1})


def test_scenes_from_a_folder(tmp_path):
    for name in ('x/1.png', 'y/1.png'):
        (tmp_path / name).parent.mkdir()
        cv2.imwrite(str(tmp_path / name), np.full((48, 48, 3), 30000, np.uint16))
    both = dataset(dataroot_gt=str(tmp_path))
    assert len(both) == 2 and not torch.equal(both[0]['lq'], both[1]['lq'])
    assert abs(both[0]['gt'].mean() - 30000 / 65535) < 0.01
    assert len(dataset(dataroot_gt=str(tmp_path), scenes=['y/1'])) == 1
    (tmp_path / 'bare').mkdir()
    with pytest.raises(ValueError, match='holds no image'):
        dataset(dataroot_gt=str(tmp_path / 'bare'))
    with pytest.raises(ValueError, match='must be a list'):
        dataset(scenes='coffee')
    with pytest.raises(ValueError, match='pattern must be one of RGGB'):
        dataset(camera={'pattern': 'RGB'})
    with pytest.raises(ValueError, match='needs crop_size'):
        dataset(phase='train')


def test_training_sees_no_clean_image():
    crops = dataset(phase='train', crop_size=40, scenes=['coffee'])
    assert set(crops[0]) == {'lq', 'lq_path'}
    assert crops[0]['lq'].shape == (3, 40, 40)
