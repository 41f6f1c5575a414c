"""Local means are those over windows, and take the place of global ones without a change of weights."""

import pytest
import torch
import torch.nn.functional as F

from amsnet_basicsr.archs import NAFNet, NAFNetBaseline
from amsnet_basicsr.archs.layers.local_mean import LocalMean


@pytest.mark.parametrize('size', [(60, 90), (23, 41), (64, 9), (1, 1)])
def test_means_are_those_of_windows_shifted_inwards(size):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    height, width = (min(side, 19) for side in size)  # made odd; cells of one pixel
    means = F.avg_pool2d(x, (height, width), 1)
    rows, columns = (length - part.shape[0] for length, part in zip(size, (means[0, 0], means[0, 0].T), strict=True))
    expected = F.pad(means, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2), 'replicate')
    torch.testing.assert_close(LocalMean(18)(x), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize('size', [(160, 160), (37, 120)])
def test_the_mean_of_a_small_image_is_the_global_one(size):
    x = torch.rand(1, 2, *size)
    means = LocalMean(160)(x)
    assert means.shape[-2:] == tuple(-(-side // 8) for side in size)
    torch.testing.assert_close(means, x.mean((2, 3), keepdim=True).expand_as(means), atol=1e-6, rtol=0)


@pytest.mark.parametrize('arch', [NAFNet, NAFNetBaseline])
def test_networks_keep_weights_and_small_results_and_forget_what_is_far(arch):
    torch.manual_seed(0)
    net = arch(width=4, middle_blk_num=1, enc_blk_nums=(1, 1), dec_blk_nums=(1, 1)).eval()
    for parameter in net.parameters():  # gains of zero would hide the attention
        torch.nn.init.normal_(parameter, std=0.2)
    names, x = list(net.state_dict()), torch.rand(1, 3, 48, 272)
    with torch.no_grad():
        whole = net(x[..., :48])
        far = x.clone()
        far[..., 200:] = 1
        before = (net(far) - net(x))[..., :40].abs().max()
        net.pool_locally(48)
        assert list(net.state_dict()) == names
        torch.testing.assert_close(net(x[..., :48]), whole, atol=1e-5, rtol=1e-4)
        assert (net(far) - net(x))[..., :8].abs().max() < 1e-5 < before
