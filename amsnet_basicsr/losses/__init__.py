"""Losses of the method, registered with BasicSR on import."""

from amsnet_basicsr.losses.mask_loss import (
    MaskL1Loss,
    MaskL2Loss,
    MaskLoss,
    hidden_mean,
    mask_l1_loss,
    mask_l2_loss,
)
from amsnet_basicsr.losses.smoothness_loss import SmoothnessLoss, smoothness_loss

__all__ = [
    'MaskL1Loss',
    'MaskL2Loss',
    'MaskLoss',
    'SmoothnessLoss',
    'hidden_mean',
    'mask_l1_loss',
    'mask_l2_loss',
    'smoothness_loss',
]
