"""Adapting a model: the noise it sees, the measure that needs no clean image, and when the result is kept."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from amsnet_basicsr.archs import DnCNN, NAFNet
from amsnet_basicsr.convert import write_file
from amsnet_basicsr.denoise.denoiser import Denoiser
from amsnet_basicsr.denoise.load_model import load_model
from amsnet_basicsr.fit.adapt import command
from amsnet_basicsr.fit.adapt.measure import gain, is_better, risks
from amsnet_basicsr.fit.adapt.noise import NoiseModel, describe, estimate_noise_model
from amsnet_basicsr.prepare.noise_correlation import MAX_LAG
from amsnet_basicsr.simulation.drawn import draw_scene

CPU = torch.device('cpu')
TINY = {'img_channel': 3, 'width': 4, 'middle_blk_num': 1, 'enc_blk_nums': [1], 'dec_blk_nums': [1]}


def scene(height: int, width: int) -> np.ndarray:
    """A smooth scene, (H, W, 3) in [0, 1]."""
    y, x = np.mgrid[:height, :width]
    planes = [0.5 + 0.2 * np.sin(x / 40), 0.4 + 0.2 * np.cos(y / 50), 0.3 + 0.3 * x / width]
    return np.stack(planes, axis=-1)


def grain(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Noise of deviation 1, correlated between pixels and equal in the three channels."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(height, width)), (0, 0), 0.8)
    return np.repeat((noise / noise.std())[..., None], 3, axis=2)


def noisy_of(clean: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return ((clean + noise).clip(0, 1) * 255).round().astype(np.uint8)


def estimate(cleaned: np.ndarray, *noisy: np.ndarray) -> NoiseModel:
    """The noise of images of 8 bits, for a denoiser that makes this image of each."""
    return estimate_noise_model([(image.astype(np.float32) / 255, cleaned.astype(np.float32)) for image in noisy])


def test_level_and_correlations_of_the_noise_are_found_and_drawn():
    clean = scene(512, 512)
    sigma = 0.02 + 0.1 * clean.mean(axis=2, keepdims=True)
    model = estimate(clean, noisy_of(clean, sigma * grain(512, 512)))
    assert model.level(clean) == pytest.approx(np.repeat(sigma, 3, axis=2), rel=0.3)
    assert model.channels.min() > 0.95
    drawn = model.draw(256, 240, np.random.default_rng(1))
    wanted = grain(256, 240, 2)
    for noise in (drawn, wanted):
        assert noise.std(axis=(0, 1)) == pytest.approx(1, abs=0.05)
    for lag in (1, 2, 3):
        found, right = (float((noise[:, lag:] * noise[:, :-lag]).mean()) for noise in (drawn, wanted))
        assert found == pytest.approx(right, abs=0.08)
    assert np.corrcoef(drawn[..., 0].ravel(), drawn[..., 2].ravel())[0, 1] > 0.95
    assert model.spatial.shape == (3, 2 * MAX_LAG + 1, 2 * MAX_LAG + 1) and '1.00 between channels' in describe(model)


def textured(amount: float) -> np.ndarray:
    """A scene of texture whose strength differs from place to place."""
    strength = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(512, 512)), (0, 0), 20)
    return 0.5 + amount * np.exp(strength / strength.std())[..., None] * grain(512, 512)


def test_texture_is_not_taken_for_noise():
    """Texture that a denoiser leaves in is no noise; with flatter images beside it, it does not count."""
    noise = 0.02 * np.random.default_rng(1).normal(size=(512, 512, 3))
    cloth = 0.5 + 0.1 * grain(512, 512)
    with pytest.raises(ValueError, match='texture is everywhere'):
        estimate(cloth, noisy_of(cloth, noise))
    clean = np.concatenate([cloth, scene(512, 512)])
    model = estimate(clean, noisy_of(clean, np.concatenate([noise, noise])))
    assert model.sigma == pytest.approx(0.02, rel=0.1)


def test_bands_are_not_taken_for_noise_of_single_pixels():
    rng = np.random.default_rng(1)
    bands = 0.03 * rng.normal(size=(512, 1, 1)) + 0.02 * rng.normal(size=(512, 512, 3))
    with pytest.raises(ValueError, match='such as bands'):
        estimate(scene(512, 512), noisy_of(scene(512, 512), bands))


@pytest.mark.parametrize('colour', [False, True])
def test_the_flat_places_between_textures_tell_the_noise(colour):
    """Correlated noise differs more from place to place by chance; that is no texture, and real cameras have it."""
    fine = 0.03 * np.random.default_rng(1).normal(size=(512, 512, 3)) if colour else 0.05 * grain(512, 512, 1)
    clean = textured(0.024)
    model = estimate(0.5 + 0.5 * (clean - 0.5), noisy_of(clean, fine))
    assert model.sigma == pytest.approx(0.03 if colour else 0.05, rel=0.2)


@pytest.mark.parametrize('sigma', [8, 25])
def test_the_level_is_that_of_the_noise_where_most_images_are_texture(sigma):
    """Drawn scenes, of which few have flat places, denoised by the shipped model."""
    rng = np.random.default_rng(1)
    palette = rng.integers(0, 256, (64, 3), np.uint8)
    clean = [draw_scene(256, palette, np.random.default_rng([1, number])) for number in range(12)]
    denoise = Denoiser.from_pretrained(device='cpu')
    noisy = [noisy_of(image / 255, sigma / 255 * rng.normal(size=image.shape)) for image in clean]
    pairs = [(image / np.float32(255), denoise(image, 1.0) / np.float32(255)) for image in noisy]
    model = estimate_noise_model(pairs)
    assert 255 * np.median(model.sigma) == pytest.approx(sigma, rel=0.1)
    assert model.channels[0, 1] < 0.3


class Blur(nn.Module):
    """A denoiser with one parameter."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        kernel = torch.from_numpy(cv2.getGaussianKernel(21, sigma)).float()
        self.register_buffer('kernel', (kernel @ kernel.T).expand(3, 1, 21, 21).clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(nn.functional.pad(x, (10,) * 4, mode='reflect'), self.kernel, groups=3)


def test_the_measure_orders_denoisers_as_the_clean_image_does():
    y, x = np.mgrid[:512, :512]
    clean = scene(512, 512) + 0.1 * np.sin(y / 4)[..., None] * (x < 256)[..., None]
    noisy = noisy_of(clean, 0.06 * grain(512, 512))
    model = estimate(clean, noisy)
    nets = [nn.Identity(), *(Blur(sigma) for sigma in (1, 1.5, 2.5, 4))]
    crops = [
        noisy[top : top + 128, left : left + 128].astype(np.float32) / 255
        for top in range(0, 512, 128)
        for left in range(0, 512, 128)
    ]
    found = risks(nets, crops, model, CPU, seed=0)
    image = torch.from_numpy(noisy.astype(np.float32) / 255).permute(2, 0, 1)[None]
    true = [float(((net(image)[0].permute(1, 2, 0).numpy() - clean) ** 2).mean()) for net in nets]
    assert np.argsort(found[0].mean(axis=0)).tolist() == np.argsort(true).tolist()
    assert found[0].mean(axis=0)[1:] == pytest.approx(true[1:], rel=0.3)
    best, worst = int(np.argmin(true)), int(np.argmax(true))
    assert is_better(found[..., [worst, best]]) and not is_better(found[..., [best, worst]])
    assert not is_better(found[..., [best, best]])
    assert is_better(found[:, :4, [worst, best]]) and not is_better(found[:, :3, [worst, best]])
    # A network that is better only if the noise is not a tenth weaker.
    gains = found[:1, :, [worst, best]]
    assert not is_better(np.concatenate([gains, gains[..., ::-1]]))
    # Noise that is far stronger than the estimate says: no denoiser is called worse than none.
    weaker = replace(model, sigma=model.sigma / 3)
    found = risks([nets[best], nets[0]], crops, weaker, CPU, seed=0)
    assert np.isnan(found).all() and not is_better(found)
    assert gain(found)[0] == 0


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / 'images'
    folder.mkdir()
    for number in range(4):
        noisy = noisy_of(np.rot90(scene(256, 256), number), 0.08 * grain(256, 256, number))
        cv2.imwrite(str(folder / f'{number}.png'), noisy[..., ::-1])
    (folder / 'torn.png').write_bytes(b'\x89PNG\r\n\x1a\n')
    return folder


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """A network that denoises nothing, as its blocks add nothing yet."""
    torch.manual_seed(0)
    net = NAFNet(**TINY)
    nn.init.zeros_(net.ending.weight)
    nn.init.zeros_(net.ending.bias)
    write_file(tmp_path / 'identity.safetensors', net.state_dict(), 'NAFNet', TINY, scheme={'type': 'plain'}, crop=80)
    return tmp_path / 'identity.safetensors'


def run(*arguments: object) -> int:
    return command.main([*map(str, arguments), '--device', 'cpu'])


def test_a_better_model_is_kept_and_can_be_used(images, identity, tmp_path, capsys):
    target = tmp_path / 'my model'
    assert run(images, '-o', target, '--model', identity, '--steps', 60) == 0
    out = capsys.readouterr().out
    assert 'torn.png: unreadable' in out and '60 steps; 4 of 4 held-out crops' in out and 'Next: amsnet-denoise' in out
    noisy = noisy_of(scene(256, 256), 0.08 * grain(256, 256, 9))
    errors = [
        float(((Denoiser.from_pretrained(model, device='cpu')(noisy) / 255.0 - scene(256, 256)) ** 2).mean())
        for model in (identity, target)
    ]
    assert errors[1] < 0.8 * errors[0]
    assert load_model(target).crop == load_model(identity).crop == 80
    assert sorted(path.name for path in target.iterdir()) == ['comparison.png', 'model.safetensors']
    assert run(images, '-o', target, '--model', identity, '--steps', 1) == 1
    assert '--overwrite replaces it' in capsys.readouterr().err


def test_a_model_that_is_no_better_is_not_kept(images, identity, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('amsnet_basicsr.fit.adapt.tune.RATE', 0.0)
    assert run(images, '-o', tmp_path / 'out', '--model', identity, '--steps', 1) == 0
    assert 'not kept' in capsys.readouterr().out and not (tmp_path / 'out').exists()


def test_a_network_with_batch_norm_can_be_adapted(images, tmp_path, capsys):
    options = {'nc': 4, 'nb': 3}
    model = tmp_path / 'dncnn.safetensors'
    write_file(model, DnCNN(**options).state_dict(), 'DnCNN', options, scheme={'type': 'plain'})
    assert run(images, '-o', tmp_path / 'out', '--model', model, '--steps', 2) == 0
    assert '2 steps; ' in capsys.readouterr().out


def test_mistakes_take_one_line(images, tmp_path, capsys):
    flat = tmp_path / 'flat.png'
    cv2.imwrite(str(flat), np.full((768, 768, 3), 100, np.uint8))
    y, x = np.mgrid[:768, :768]
    weave = 0.5 + 0.1 * np.repeat((np.sin(1.3 * x) * np.sin(0.9 * y))[..., None], 3, axis=2)
    cv2.imwrite(str(cloth := tmp_path / 'cloth.png'), noisy_of(weave, 0.05 * grain(768, 768)))
    grey = TINY | {'img_channel': 1}
    write_file(tmp_path / 'grey.safetensors', NAFNet(**grey).state_dict(), 'NAFNet', grey, scheme={'type': 'plain'})
    for arguments, message in (
        ((tmp_path / 'missing', '-o', tmp_path / 'out'), 'missing: no such file'),
        ((images, '-o', flat), 'flat.png is a file'),
        ((flat, '-o', tmp_path / 'out'), 'the noise of these images cannot be estimated: 0 flat patches'),
        ((images / '0.png', '-o', tmp_path / 'out'), 'these images leave only 2: give more or larger images'),
        ((images, '-o', tmp_path / 'out', '--model', tmp_path / 'grey.safetensors'), 'takes a network for RGB images'),
        ((cloth, '-o', tmp_path / 'out'), 'or texture is everywhere; try amsnet-denoise fit'),
        ((images, '-o', tmp_path / 'out', '--model', tmp_path / 'no.pth'), 'no.pth'),
    ):
        assert run(*arguments) == 1
        error = capsys.readouterr().err
        assert message in error and error.count('\n') == 1 and error.startswith('amsnet-denoise adapt: ')
    for option in ('--steps', '--seconds'):
        with pytest.raises(SystemExit):
            run(images, '-o', tmp_path / 'out', option, 0)
        assert f'{option}: 0 is less than' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
