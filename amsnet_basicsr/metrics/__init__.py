"""Metrics, registered with BasicSR on import."""

from amsnet_basicsr.patches import compat

compat.prepare_import()  # a data worker may get here first

from amsnet_basicsr.metrics.mask_l1 import calculate_mask_l1  # noqa: E402
from amsnet_basicsr.metrics.ssim_uniform import calculate_ssim_uniform  # noqa: E402

__all__ = ['calculate_mask_l1', 'calculate_ssim_uniform']
