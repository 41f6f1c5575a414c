"""The scheme gives what the official code gives, random choices included."""

from pathlib import Path

import numpy as np
import pytest
import torch

from amsnet_basicsr.archs import DnCNN
from amsnet_basicsr.scheme import R3, AsymmetricMaskDenoiser, hide, pixel_downsample, pixel_upsample
from tests.archs.weights_from_names import fill_by_name

TOLERANCE = {'atol': 1e-5, 'rtol': 0}


@pytest.fixture(scope='module')
def vectors() -> dict[str, torch.Tensor]:
    path = Path(__file__).parent.parent / 'vectors' / 'pipeline' / 'pipeline.npz'
    return {name: torch.from_numpy(value) for name, value in np.load(path).items()}


@pytest.fixture
def net() -> DnCNN:
    net = DnCNN(in_nc=3, out_nc=3, nc=8, nb=5, act_mode='R').eval()
    fill_by_name(net)
    return net


@pytest.mark.parametrize('stride', [2, 5])
def test_pixel_downsample_order(vectors, stride):
    torch.testing.assert_close(pixel_downsample(vectors['x'], stride), vectors[f'pd{stride}'], atol=0, rtol=0)
    torch.testing.assert_close(pixel_upsample(vectors[f'pd{stride}'], stride), vectors['x'], atol=0, rtol=0)


def test_training_loss_and_gradient(vectors, net):
    from amsnet_basicsr import plugin  # noqa: F401 (registers)
    from amsnet_basicsr.losses import mask_l1_loss

    sub, index = pixel_downsample(vectors['x'], 5), vectors['train_index']
    loss = mask_l1_loss(net(hide(sub, index, 0)), sub, index == 0)
    loss.backward()
    torch.testing.assert_close(loss.detach(), vectors['train_loss'], **TOLERANCE)
    torch.testing.assert_close(net.model[-1].bias.grad, vectors['train_grad_last_bias'], **TOLERANCE)


@pytest.mark.parametrize('max_pixels', [1, 2000, 2**20])
@pytest.mark.parametrize('branches', [2, 3])
def test_inference(vectors, net, branches, max_pixels):
    denoiser = AsymmetricMaskDenoiser(net, stride=2, branches=branches, max_pixels=max_pixels)
    with torch.no_grad():
        out = denoiser.denoise_once(vectors['x'], 2, vectors[f'infer_index_k{branches}'])
    torch.testing.assert_close(out, vectors[f'infer_out_k{branches}'], **TOLERANCE)


@pytest.mark.parametrize('max_pixels', [1, 6000, 2**20])
def test_random_replacement_refinement(vectors, net, max_pixels):
    denoiser = AsymmetricMaskDenoiser(net, max_pixels=max_pixels)
    draws = zip((vectors['r3_uniform'] < 0.16).split(1), vectors['r3_mask_index'].split(1), strict=True)
    with torch.no_grad():
        noisy = vectors['x'][:1]
        denoised = denoiser.denoise_once(noisy, 2, vectors['r3_index'])
        out = R3(samples=8, prob=0.16).refine(denoiser.denoise_once, noisy, denoised, draws, 2, max_pixels)
    torch.testing.assert_close(out, vectors['r3_out'], **TOLERANCE)
