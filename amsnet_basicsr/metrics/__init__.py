"""Metrics, registered with BasicSR on import."""

from amsnet_basicsr.metrics.mask_l1 import calculate_mask_l1
from amsnet_basicsr.metrics.ssim_uniform import calculate_ssim_uniform

__all__ = ['calculate_mask_l1', 'calculate_ssim_uniform']
