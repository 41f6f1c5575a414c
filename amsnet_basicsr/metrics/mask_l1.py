"""Validation without ground truth: the loss on hidden pixels of held-out noisy images."""

from typing import Any

import torch
from basicsr.utils.registry import METRIC_REGISTRY


@METRIC_REGISTRY.register()
def calculate_mask_l1(noisy: torch.Tensor, prediction: torch.Tensor, **kwargs: Any) -> float:
    """Mean absolute error of predicting every noisy pixel from others (Eq. 4 over all branches).

    Lower is better; it cannot fall below the mean absolute noise. Because no pixel was seen when it was predicted, a
    network that merely copies its input doesn't do well, so that the best checkpoint can be chosen without any clean
    image. Needs images that training doesn't use, or it rewards overfitting.

    Args:
        noisy: Noisy images, (N, C, H, W), values in [0, 1].
        prediction: For every pixel the prediction of the branch that hid it, at the train stride (where the noise of
            visible pixels tells nothing about that of hidden ones), (N, C, H, W).
        **kwargs: What BasicSR passes to every metric; ignored.

    Returns:
        The error, in units of the image range [0, 1], as the training loss `l_mask`.
    """
    return float((prediction - noisy).abs().mean())
