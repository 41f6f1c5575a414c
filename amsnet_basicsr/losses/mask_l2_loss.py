"""The squared mask loss: minimised by the mean of the noisy values, `mask_l1_loss` by their median."""

import torch
from basicsr.utils.registry import LOSS_REGISTRY

from amsnet_basicsr.losses.mask_loss import MaskLoss, hidden_mean


def mask_l2_loss(prediction: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared error over the hidden pixels.

    Not the paper's (Eq. 4 is L1). What minimises it is the mean of the noisy values, where L1's minimum is their
    median. The two differ where noise isn't symmetric: a tone curve bends the sensor's noise, black and white clip it.
    docs/results/ablations.md measures both.

    Args:
        prediction: Predicted images, (N, C, H, W).
        target: The noisy images, (N, C, H, W), values in [0, 1].
        hidden: True where a pixel was hidden, (N, 1, H, W) or (N, C, H, W); None if every pixel was.

    Returns:
        The loss, a scalar; 0 if nothing was hidden.
    """
    return hidden_mean((prediction.float() - target.float()) ** 2, hidden)


@LOSS_REGISTRY.register()
class MaskL2Loss(MaskLoss):
    """Weighted `mask_l2_loss` for options files."""

    function = staticmethod(mask_l2_loss)
