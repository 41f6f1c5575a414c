"""Fuse BatchNorm into the preceding convolution for inference."""

import copy
from collections.abc import Iterator
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fuse_batch_norm(net: nn.Module) -> nn.Module:
    """Fuse each BatchNorm into the convolution before it, where both are neighbours in an `nn.Sequential`.

    With fixed statistics BatchNorm is a factor and an offset per channel, which the weights of the convolution can
    hold: that saves a pass over the features. Exact up to rounding.

    Args:
        net: The network, in evaluation mode. It is not changed.

    Returns:
        A copy without those normalisations, for inference only; the network itself if it has none.
    """
    if not any(_pairs(net)):
        return net
    net = copy.deepcopy(net)
    for sequence, i, conv, norm in list(_pairs(net)):
        sequence[i] = fuse_conv_bn_eval(conv, norm)
        sequence[i + 1] = nn.Identity()
    return net


def _pairs(net: nn.Module) -> Iterator[tuple[nn.Sequential, int, nn.Conv2d, nn.BatchNorm2d]]:
    """Yield each convolution that is followed by a BatchNorm to fuse, and where it is."""
    for sequence in net.modules():
        if type(sequence) is not nn.Sequential:
            continue
        for i, (conv, norm) in enumerate(pairwise(sequence)):
            if (
                type(conv) is nn.Conv2d
                and type(norm) is nn.BatchNorm2d
                and not (conv.training or norm.training)
                and norm.track_running_stats
                and not any(
                    hooks for module in (conv, norm) for hooks in (module._forward_hooks, module._forward_pre_hooks)
                )
            ):
                yield sequence, i, conv, norm
