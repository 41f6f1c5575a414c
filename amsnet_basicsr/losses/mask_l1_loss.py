"""The mask loss L_m: the error of the predictions of hidden pixels (Eq. 4)."""

import torch
from basicsr.utils.registry import LOSS_REGISTRY

from amsnet_basicsr.losses.mask_loss import MaskLoss, hidden_mean


def mask_l1_loss(prediction: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """Mean absolute error over the hidden pixels.

    Args:
        prediction: Predicted images, (N, C, H, W).
        target: The noisy images, (N, C, H, W), values in [0, 1].
        hidden: True where a pixel was hidden, (N, 1, H, W) or (N, C, H, W); None if every pixel was (Eq. 10).

    Returns:
        The loss, a scalar; 0 if nothing was hidden. `hidden_mean` explains why it is a mean.
    """
    return hidden_mean((prediction.float() - target.float()).abs(), hidden)


@LOSS_REGISTRY.register()
class MaskL1Loss(MaskLoss):
    """Weighted `mask_l1_loss` for options files."""

    function = staticmethod(mask_l1_loss)
