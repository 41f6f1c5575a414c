"""AP-BSN gives what the official code gives, and what must hold for any size, stride and seed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from amsnet_basicsr.archs import DBSNl
from amsnet_basicsr.scheme import (
    R3,
    PixelDownsampleDenoiser,
    mosaic_denoise,
    mosaic_downsample,
    mosaic_upsample,
    pixel_downsample,
)
from tests.archs.weights_from_names import fill_by_name

TOLERANCE = {'atol': 1e-5, 'rtol': 0}


@pytest.fixture(scope='module')
def vectors() -> dict[str, torch.Tensor]:
    path = Path(__file__).parent.parent / 'vectors' / 'apbsn' / 'apbsn.npz'
    return {name: torch.from_numpy(value) for name, value in np.load(path).items()}


def blind_spot_net(dilated: bool = True) -> DBSNl:
    return fill_by_name(DBSNl(base_ch=8, num_module=2, dilated=dilated))


def draws(uniforms: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What R3 draws where there are no masks."""
    return [(uniform < 0.16, torch.zeros(1, 1, 1, 1)) for uniform in uniforms]


@pytest.mark.parametrize('max_pixels', [1, 2**20])
@pytest.mark.parametrize(('stride', 'name'), [(5, 'pd5'), (2, 'no_r3_out')])
def test_official_result_without_refinement(vectors, stride, name, max_pixels):
    denoiser = PixelDownsampleDenoiser(blind_spot_net(), stride=stride, max_pixels=max_pixels)
    torch.testing.assert_close(denoiser(vectors['x']), vectors[name], **TOLERANCE)


def test_official_result_with_refinement(vectors):
    denoiser, noisy = PixelDownsampleDenoiser(blind_spot_net()), vectors['x']
    with torch.no_grad():
        denoised = denoiser(noisy)
        out = [  # the official code draws for each image of the batch
            R3().refine(lambda x, *_: denoiser.denoise_directly(x), *pair, draws(uniforms), 2)
            for *pair, uniforms in zip(
                noisy.split(1), denoised.split(1), vectors['r3_uniform'].split(1, 1), strict=True
            )
        ]
    torch.testing.assert_close(torch.cat(out), vectors['r3_out'], **TOLERANCE)


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_mosaic_shows_every_sub_image_in_zeros_and_is_undone(stride, h, w, pad, n):
    x = torch.rand(n, 3, h * stride, w * stride) + 0.1
    mosaic = mosaic_downsample(x, stride, pad)
    assert mosaic.shape == (n, 3, (h + 2 * pad) * stride, (w + 2 * pad) * stride)
    assert torch.count_nonzero(mosaic) == x.numel()
    last = pixel_downsample(x, stride)[stride**2 - 1]  # of the first image: bottom right
    assert torch.equal(mosaic[0, :, pad - h - 2 * pad :, pad - w - 2 * pad :][:, :h, :w], last)
    assert torch.equal(mosaic_upsample(mosaic, stride, pad), x)


@pytest.mark.parametrize('size', [(7, 8), (4, 8), (2, 2)])
def test_what_is_no_mosaic_is_refused(size):
    with pytest.raises(ValueError, match='not a mosaic'):
        mosaic_upsample(torch.zeros(1, 3, *size), 2, 1)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(0, 3), st.booleans())
@settings(max_examples=30, deadline=None)
def test_any_size_comes_back(h, w, stride, pad, refine):
    x = torch.rand(1, 3, h, w)
    denoiser = PixelDownsampleDenoiser(
        blind_spot_net(), stride=stride, pad=pad, refine=R3(2) if refine else None, size_multiple=8
    )
    out = denoiser(x)
    assert out.shape == x.shape and out.isfinite().all()


@pytest.mark.parametrize('size', [(1, 1), (1, 50), (13, 7), (32, 48)])
def test_result_depends_on_the_seed_alone(size):
    x, net = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(0)), blind_spot_net()

    def run(images: torch.Tensor, seed: int = 7, max_pixels: int = 2**20) -> torch.Tensor:
        return PixelDownsampleDenoiser(net, seed=seed, refine=R3(3, 0.3), max_pixels=max_pixels)(images)

    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    reference = run(x)
    assert torch.equal(torch.rand(4), expected)  # the global generator is left alone
    assert torch.equal(run(x), reference)
    for max_pixels in (1, 1500):
        torch.testing.assert_close(run(x, max_pixels=max_pixels), reference, atol=1e-6, rtol=0)
    torch.testing.assert_close(run(x[1:2]), reference[1:2], atol=1e-6, rtol=0)  # whatever else is in the batch
    if min(size) > 1:
        assert not torch.equal(run(x, seed=8), reference)


def test_tiles_give_the_whole_image():
    x = torch.rand(1, 3, 90, 101)
    whole = PixelDownsampleDenoiser(blind_spot_net(), refine=R3(2))(x)
    # The network looks 8 pixels far (a 5×5 kernel, two modules of dilation 3).
    tiled = PixelDownsampleDenoiser(blind_spot_net(), refine=R3(2), tile={'size': 80, 'overlap': 32})(x)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


class LargestPass(nn.Module):
    """Remembers the most pixels it was shown at once."""

    size_multiple = 1

    def __init__(self) -> None:
        super().__init__()
        self.pixels = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.pixels = max(self.pixels, x.shape[0] * x.shape[-2] * x.shape[-1])
        return x


def test_memory_is_bounded():
    net = LargestPass()
    PixelDownsampleDenoiser(net, refine=R3(3), max_pixels=5000)(torch.rand(9, 3, 32, 32))
    assert 1000 < net.pixels <= 5000
    net = LargestPass()
    PixelDownsampleDenoiser(net, tile={'size': 40, 'overlap': 8}, max_pixels=1)(torch.rand(2, 3, 100, 100))
    assert 1000 < net.pixels <= 40 * 40  # as many tiles as are needed share the image evenly


@pytest.mark.parametrize('size', [(20, 30), (21, 31)])
@pytest.mark.parametrize('stride', [2, 5])
@pytest.mark.parametrize('dilated', [True, False])
def test_blind_spot_is_all_that_hides_a_pixel(stride, dilated, size):
    seen = []
    for row, column in ((9, 14), (0, 0), (size[0] - 1, size[1] - 1), (size[0] - 2, size[1] - 2)):
        x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(row)).requires_grad_()
        out = mosaic_denoise(blind_spot_net(dilated), x, stride, 2)
        out[0, :, row, column].sum().backward()
        assert x.grad.count_nonzero() > 20
        seen.append(bool(x.grad[0, :, row, column].any()))
    assert any(seen) != dilated  # D_AS sees what it restores


def test_refinement_replaces_values_of_single_channels():
    seen = []

    def denoise(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return x

    noisy, denoised = torch.ones(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    uniforms = torch.rand(4, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    out = R3(4).refine(lambda x, *_: denoise(x), noisy, denoised, draws(uniforms), 2, max_pixels=1)
    assert [x.mean().item() for x in seen] == pytest.approx([0.16] * 4, abs=0.02)
    assert 0.5 < (seen[0].amax(1) > seen[0].amin(1)).float().mean() / (3 * 0.16 * 0.84) < 1.5
    torch.testing.assert_close(out, torch.stack(seen).mean(0))


def test_impossible_settings_are_refused():
    for wrong in ({'stride': 0}, {'pad': -1}):
        with pytest.raises(ValueError, match='stride must be'):
            PixelDownsampleDenoiser(nn.Identity(), **wrong)
