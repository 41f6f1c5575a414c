"""Fuse BatchNorm into the preceding convolution for inference."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fuse_batch_norm(net: nn.Module) -> nn.Module:
    """Fuse each BatchNorm into the convolution before it, where both are neighbours in an `nn.Sequential`.

    With fixed statistics BatchNorm is a factor and an offset per channel, which the weights of the convolution can
    hold: that saves a pass over the features. Exact up to rounding.

    Args:
        net: The network, in evaluation mode. It stays as it is.

    Returns:
        A copy without those normalisations, for inference alone; the network itself if it has none.
    """
    if not any(_fusable(sequence, i) for sequence in _sequences(net) for i in range(len(sequence) - 1)):
        return net
    net = copy.deepcopy(net)
    for sequence in _sequences(net):
        for i in range(len(sequence) - 1):
            if _fusable(sequence, i):
                sequence[i] = fuse_conv_bn_eval(sequence[i], sequence[i + 1])
                sequence[i + 1] = nn.Identity()
    return net


def _sequences(net: nn.Module) -> list[nn.Sequential]:
    return [module for module in net.modules() if type(module) is nn.Sequential]


def _fusable(sequence: nn.Sequential, i: int) -> bool:
    conv, norm = sequence[i], sequence[i + 1]
    return (
        type(conv) is nn.Conv2d
        and type(norm) is nn.BatchNorm2d
        and not (conv.training or norm.training)
        and norm.track_running_stats
        and not any(hooks for module in (conv, norm) for hooks in (module._forward_hooks, module._forward_pre_hooks))
    )
