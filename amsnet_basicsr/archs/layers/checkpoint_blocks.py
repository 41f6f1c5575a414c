"""Gradient checkpointing of any network's blocks: less memory, more time, the same result."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def checkpoint_blocks(net: nn.Module) -> int:
    """Recompute the features of a network's blocks in the backward pass instead of keeping them.

    Memory falls to about the features between the blocks, time rises by about a forward pass, the result stays the
    same. Names of parameters don't change, nor does evaluation.

    Args:
        net: The network, changed in place. Its blocks are the composite modules in its lists and sequences.

    Returns:
        Number of blocks.

    Raises:
        ValueError: If there are none, or if they hold BatchNorm, whose statistics would be taken twice.
    """
    blocks = list(_blocks(net))
    if not blocks:
        raise ValueError(f'train: checkpointing finds no blocks in {type(net).__name__}; leave it out')
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for block in blocks for module in block.modules()):
        raise ValueError(f'train: checkpointing would take the BatchNorm statistics of {type(net).__name__} twice')
    for block in blocks:
        block.__class__ = _recomputing(type(block))  # type: ignore[arg-type]
    return len(blocks)


def _blocks(net: nn.Module) -> Iterable[nn.Module]:
    containers = (nn.Sequential, nn.ModuleList)
    for child in net.children():
        is_container = isinstance(child, containers)
        if isinstance(net, containers) and not is_container and next(child.children(), None) is not None:
            yield child
        elif is_container or not isinstance(net, containers):
            yield from _blocks(child)


@cache
def _recomputing(kind: type[nn.Module]) -> type[nn.Module]:
    """Make a class of blocks that compute their features again.

    Not a function kept by the block: replicas of DataParallel would call that of the block they are copies of.
    """

    class Recomputing(kind):  # type: ignore[misc, valid-type]
        def forward(self, *args: Any) -> Any:
            if self.training and torch.is_grad_enabled():
                return checkpoint(super().forward, *args, use_reentrant=False)
            return super().forward(*args)

    Recomputing.__name__ = Recomputing.__qualname__ = kind.__name__
    return Recomputing
