"""The mask loss with squares: it asks for the mean of the noise, where `mask_l1_loss` asks for its median."""

import torch
from basicsr.utils.registry import LOSS_REGISTRY
from torch import nn

from amsnet_basicsr.losses.hidden_mean import hidden_mean


def mask_l2_loss(prediction: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared error over the hidden pixels.

    Not the paper's (Eq. 4 is L1). What minimises it is the mean of the noisy values, right if the noise has mean zero;
    L1's minimum is their median, right if noise is as often above as below. The two differ where the sensor's noise is
    clipped, in the dark and in highlights: there the mean is shifted, the median isn't.

    Args:
        prediction: Predicted images, (N, C, H, W).
        target: The noisy images, (N, C, H, W), values in [0, 1].
        hidden: True where a pixel was hidden, (N, 1, H, W) or (N, C, H, W); None if every pixel was.

    Returns:
        The loss, a scalar; 0 if nothing was hidden.
    """
    return hidden_mean((prediction.float() - target.float()) ** 2, hidden)


@LOSS_REGISTRY.register()
class MaskL2Loss(nn.Module):
    """Weighted `mask_l2_loss` for options files.

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
        """Compute the weighted loss; see `mask_l2_loss`."""
        return self.loss_weight * mask_l2_loss(prediction, target, hidden)
