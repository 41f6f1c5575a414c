"""Parameters must be finite; buffers may be infinite, as masks are, but not NaN."""

import torch
from torch import nn

from amsnet_basicsr.utils.finite import bad_tensors


def test_masks_may_be_infinite():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net.register_buffer('mask', torch.full((2, 2), -torch.inf))
    net.register_buffer('index', torch.arange(2))
    assert bad_tensors(net) == []
    net[1].running_var[0] = torch.nan
    net[0].weight.data[0, 0] = torch.inf
    assert bad_tensors(net) == ['0.weight', '1.running_var']
