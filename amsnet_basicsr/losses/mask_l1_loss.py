"""The mask loss L_m: how far the predictions of hidden pixels are from what was hidden (Eq. 4)."""

import torch
from basicsr.utils.registry import LOSS_REGISTRY
from torch import nn

from amsnet_basicsr.distributed import has_joined


def mask_l1_loss(prediction: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """Mean absolute error over the hidden pixels.

    The paper writes the sum (an L1 norm), the official code takes the mean over the hidden pixels; the mean keeps
    learning rate and λ independent of crop size and k. With several processes it is normalised by the count of all of
    them, so that the gradient, which DistributedDataParallel averages, is that of one process with the whole batch.

    Args:
        prediction: Predicted images, (N, C, H, W).
        target: The noisy images, (N, C, H, W), values in [0, 1].
        hidden: True where a pixel was hidden, (N, 1, H, W) or (N, C, H, W); None if every pixel was (Eq. 10).

    Returns:
        The loss, a scalar; 0 if nothing was hidden.
    """
    error = (prediction.float() - target.float()).abs()
    if hidden is None:
        return error.mean()
    count = hidden.expand_as(error).sum(dtype=torch.float32)
    if has_joined():
        torch.distributed.all_reduce(count)
        count = count / torch.distributed.get_world_size()
    return torch.where(hidden, error, 0).sum() / count.clamp(min=1)


@LOSS_REGISTRY.register()
class MaskL1Loss(nn.Module):
    """Weighted `mask_l1_loss` for options files.

    Args:
        loss_weight: Factor of the loss. Default: 1.0.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        """Keep the weight."""
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the weighted loss; see `mask_l1_loss`."""
        return self.loss_weight * mask_l1_loss(prediction, target, hidden)
