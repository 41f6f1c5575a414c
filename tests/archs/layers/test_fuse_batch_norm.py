"""Folded networks: the same results with fewer operations, and the original as it was."""

import copy

import pytest
import torch
from torch import nn

from amsnet_basicsr.archs import DnCNN, NAFNet
from amsnet_basicsr.archs.layers.fuse_batch_norm import fuse_batch_norm
from amsnet_basicsr.denoise.denoiser import Denoiser


def trained_dncnn() -> DnCNN:
    """A DnCNN whose statistics and gains are none of an untrained one."""
    torch.manual_seed(0)
    net = DnCNN(nc=8, nb=5)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean):
                tensor.normal_()
            module.running_var.uniform_(0.2, 3)
    return net.eval()


def norms(net: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())


def test_dncnn_gives_the_same_without_its_norms():
    net = trained_dncnn()
    before = copy.deepcopy(net.state_dict())
    folded = fuse_batch_norm(net)
    assert (norms(net), norms(folded)) == (3, 0)
    x = torch.rand(2, 3, 20, 24)
    torch.testing.assert_close(folded(x), net(x), atol=1e-5, rtol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize(
    'net',
    [
        NAFNet(width=4, middle_blk_num=1, enc_blk_nums=(1,), dec_blk_nums=(1,)).eval(),
        DnCNN(nc=8, nb=3).train(),
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)).eval(),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)).eval(),
    ],
    ids=['no norm', 'in training', 'statistics of the image', 'norm first'],
)
def test_others_stay_as_they_are(net):
    assert fuse_batch_norm(net) is net


def test_denoising_folds():
    net = trained_dncnn()
    with torch.inference_mode():
        denoiser = Denoiser(net, device='cpu')
        x = torch.rand(1, 3, 20, 24)
        assert norms(denoiser._network.net) == 0 and denoiser.net is net
        torch.testing.assert_close(denoiser._network.net(x), net(x), atol=1e-5, rtol=1e-5)
