"""SSIM with the uniform 7×7 window, the other convention of the field."""

from typing import Any

import numpy as np
from basicsr.metrics.metric_util import reorder_image, to_y_channel
from basicsr.utils.registry import METRIC_REGISTRY


@METRIC_REGISTRY.register()
def calculate_ssim_uniform(
    img: np.ndarray,
    img2: np.ndarray,
    crop_border: int,
    input_order: str = 'HWC',
    test_y_channel: bool = False,
    **kwargs: Any,
) -> float:
    """Compute SSIM as scikit-image's `structural_similarity` does by default.

    Means and (sample) covariances over windows of 7×7 pixels, all of equal weight; windows that cross the border are
    left out. BasicSR's `calculate_ssim` has Gaussian windows of 11×11 instead; the figures differ.

    Args:
        img: Denoised image, (H, W, 3) BGR or (H, W, 1), in [0, 255], at least 7×7.
        img2: Clean image, of the same shape.
        crop_border: Pixels cropped from each side first.
        input_order: 'HWC' or 'CHW'.
        test_y_channel: Use the Y channel of YCbCr (BT.601, [16, 235]) instead of the mean over the channels.
        **kwargs: What BasicSR passes to every metric; ignored.

    Returns:
        SSIM, at most 1; higher is better.

    Raises:
        ValueError: If shapes differ, or images are smaller than the window.
    """
    from skimage.metrics import structural_similarity  # imported here: it is slow, and few use it

    if img.shape != img2.shape:
        raise ValueError(f'images of {img.shape} and {img2.shape} cannot be compared')
    pair = [reorder_image(image, input_order=input_order) for image in (img, img2)]
    if crop_border:
        pair = [image[crop_border:-crop_border, crop_border:-crop_border] for image in pair]
    if test_y_channel:
        pair = [to_y_channel(image) for image in pair]
    first, second = (image.astype(np.float64) for image in pair)
    return float(structural_similarity(first, second, data_range=255, channel_axis=2))
