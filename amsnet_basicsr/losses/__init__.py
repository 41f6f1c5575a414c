"""Losses of the method, registered with BasicSR on import."""

from amsnet_basicsr.patches import compat

compat.prepare_import()  # a data worker may get here first

from amsnet_basicsr.losses.mask_l1_loss import MaskL1Loss, mask_l1_loss  # noqa: E402
from amsnet_basicsr.losses.mask_l2_loss import MaskL2Loss, mask_l2_loss  # noqa: E402
from amsnet_basicsr.losses.smoothness_loss import SmoothnessLoss, smoothness_loss  # noqa: E402

__all__ = ['MaskL1Loss', 'MaskL2Loss', 'SmoothnessLoss', 'mask_l1_loss', 'mask_l2_loss', 'smoothness_loss']
