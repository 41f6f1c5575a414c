"""What is timed: networks at sizes that a CPU can train, and pairs of ours and the plain version of each."""

from typing import Any, NamedTuple

import torch
from benchmarks.reference_nets import reference_net
from torch import nn

from amsnet_basicsr.archs import ARCHS

_BLOCKS = {'middle_blk_num': 2, 'enc_blk_nums': (1, 1, 1, 2), 'dec_blk_nums': (1, 1, 1, 1)}
NETWORKS: dict[str, dict[str, Any]] = {
    'Restormer': {'dim': 16, 'num_blocks': (1, 2, 2, 2), 'num_refinement_blocks': 1, 'heads': (1, 2, 4, 8)},
    'NAFNetBaseline': {'width': 16, **_BLOCKS},
    'NAFNet': {'width': 16, **_BLOCKS},
    'UNet': {'n_feature': 16},
    'DnCNN': {'nc': 32, 'nb': 10},
    'DeamNet': {},
}
"""Arguments of each network. Goals were set for the first two."""


class Pair(NamedTuple):
    """A network of the package and its plain version with the same weights."""

    ours: nn.Module
    plain: nn.Module


def build(name: str) -> nn.Module:
    """Build a network in channels_last, no weight zero or one by construction."""
    torch.manual_seed(0)
    net = ARCHS[name](**NETWORKS[name])
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            if key.endswith(('beta', 'gamma')) or 'norm' in key:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return net.to(memory_format=torch.channels_last)


def build_pair(name: str) -> Pair:
    """Build a network and its plain version with the same weights."""
    net = build(name)
    return Pair(net, reference_net(net))
