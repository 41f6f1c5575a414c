"""The blind-spot network sees all around a pixel but the square that its shift leaves out."""

import importlib

import pytest
import torch

from tests.conftest import REPOSITORY


@pytest.fixture(scope='module')
def network() -> type[torch.nn.Module]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY)
        return importlib.import_module('scripts.half_plane_unet').HalfPlaneUNet


@pytest.mark.parametrize('shift', [1, 3])
def test_what_a_prediction_depends_on(network, shift):
    torch.manual_seed(0)
    net = network(width=8, levels=2, shift=shift).double()
    image = torch.rand(1, 3, 32, 48, dtype=torch.double, requires_grad=True)
    net(image)[0, :, 16, 21].sum().backward()
    unseen = image.grad.abs().sum((0, 1)) == 0
    reach = shift - 1
    assert unseen[16 - reach : 17 + reach, 21 - reach : 22 + reach].all()
    ring = unseen[16 - shift : 17 + shift, 21 - shift : 22 + shift].clone()
    ring[1:-1, 1:-1] = False
    assert ring.float().mean() < 0.05  # and nothing beyond, but for features that happen to be off
