"""Base of the mask losses: a mean over hidden pixels, the same for one process and several."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import nn

from amsnet_basicsr.utils.distributed import has_joined


def hidden_mean(error: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """Mean of an error over the hidden pixels.

    The paper writes the sum (a norm, Eq. 4), the official code takes the mean over the hidden pixels; the mean keeps
    learning rate and λ independent of crop size and k. With several processes it is normalised by the count of all of
    them, so that the gradient, which DistributedDataParallel averages, is that of one process with the whole batch.

    Args:
        error: An error for each value, (N, C, H, W).
        hidden: True where a pixel was hidden, (N, 1, H, W) or (N, C, H, W); None if every pixel was (Eq. 10).

    Returns:
        The mean, a scalar; 0 if nothing was hidden.
    """
    if hidden is None:
        return error.mean()
    count = hidden.expand_as(error).sum(dtype=torch.float32)
    if has_joined():
        torch.distributed.all_reduce(count)
        count = count / torch.distributed.get_world_size()
    return torch.where(hidden, error, 0).sum() / count.clamp(min=1)


class MaskLoss(nn.Module):
    """Base of the weighted mask losses for options files; subclasses set `function`.

    Args:
        loss_weight: Factor of the loss. Default: 1.0.
    """

    function: ClassVar[Callable[..., torch.Tensor]]
    """Maps prediction, target and hidden to the loss."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        """Keep the weight."""
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the weighted loss, a scalar; see `function` of the subclass."""
        return self.loss_weight * self.function(prediction, target, hidden)
