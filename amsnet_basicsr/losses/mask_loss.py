"""The mask losses: the error of the predictions of hidden pixels, the same for one process and several."""

from collections.abc import Callable
from typing import ClassVar

import torch
from basicsr.utils.registry import LOSS_REGISTRY
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


def mask_l1_loss(prediction: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """Mean absolute error over the hidden pixels: the mask loss L_m (Eq. 4).

    Args:
        prediction: Predicted images, (N, C, H, W).
        target: The noisy images, (N, C, H, W), values in [0, 1].
        hidden: True where a pixel was hidden, (N, 1, H, W) or (N, C, H, W); None if every pixel was (Eq. 10).

    Returns:
        The loss, a scalar; 0 if nothing was hidden. `hidden_mean` explains why it is a mean.
    """
    return hidden_mean((prediction.float() - target.float()).abs(), hidden)


def mask_l2_loss(prediction: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared error over the hidden pixels; arguments as for `mask_l1_loss`.

    Not the paper's (Eq. 4 is L1). What minimises it is the mean of the noisy values, where L1's minimum is their
    median. The two differ where noise isn't symmetric: a tone curve bends the sensor's noise, black and white clip it.
    docs/results/ablations.md measures both.
    """
    return hidden_mean((prediction.float() - target.float()) ** 2, hidden)


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


@LOSS_REGISTRY.register()
class MaskL1Loss(MaskLoss):
    """Weighted `mask_l1_loss` for options files."""

    function = staticmethod(mask_l1_loss)


@LOSS_REGISTRY.register()
class MaskL2Loss(MaskLoss):
    """Weighted `mask_l2_loss` for options files."""

    function = staticmethod(mask_l2_loss)
