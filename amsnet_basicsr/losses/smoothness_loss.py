"""The smoothness prior L_p that removes the checkerboard in fine-tuning (Eq. 9)."""

import torch
from basicsr.utils.registry import LOSS_REGISTRY
from torch import nn


def smoothness_loss(image: torch.Tensor, eps: float = 1e-6) -> torch.Tensor:
    """Isotropic total variation per pixel and channel: mean of sqrt(Δ_vertical² + Δ_horizontal²).

    Eq. 9 is the sum; the mean over the same pixels keeps λ of Eq. 10 in the paper's proportion to the mean mask loss.
    (The official code has an anisotropic squared variation that no configuration uses.)

    Args:
        image: Images, (N, C, H, W), values in [0, 1], H and W at least 2.
        eps: Added to the root's argument as its square and taken off its value, so that a flat image has loss 0 and
            finite gradients.

    Returns:
        The loss, a scalar. Only differences inside the image count.
    """
    image = image.float()
    vertical = image[..., 1:, :-1] - image[..., :-1, :-1]
    horizontal = image[..., :-1, 1:] - image[..., :-1, :-1]
    return (torch.sqrt(vertical**2 + horizontal**2 + eps**2) - eps).mean()


@LOSS_REGISTRY.register()
class SmoothnessLoss(nn.Module):
    """Weighted `smoothness_loss` for options files.

    Args:
        loss_weight: λ of Eq. 10. Default: 0.01, as the paper's text says (its ablation finds 0.1 best).
    """

    def __init__(self, loss_weight: float = 0.01) -> None:
        """Keep the weight."""
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute the weighted loss; see `smoothness_loss`."""
        return self.loss_weight * smoothness_loss(image)
