"""What else a user would take: non-local means and wavelets, at the setting that suits the clean images best."""

from collections.abc import Callable

import cv2
import numpy as np
from skimage.restoration import denoise_wavelet

Method = Callable[[np.ndarray], np.ndarray]


def is_grey(image: np.ndarray) -> bool:
    """Whether the three channels are the same."""
    return bool((image == image[..., :1]).all())


def nlm(image: np.ndarray, strength: float) -> np.ndarray:
    """OpenCV's non-local means: (H, W, 3) uint8, `strength` in levels."""
    if is_grey(image):
        return np.repeat(cv2.fastNlMeansDenoising(image[..., 0].copy(), None, strength)[..., None], 3, axis=2)
    return cv2.fastNlMeansDenoisingColored(image, None, strength, strength)


def wavelets(image: np.ndarray, sigma: float) -> np.ndarray:
    """scikit-image's BayesShrink wavelets: (H, W, 3) uint8, `sigma` in levels."""
    grey = is_grey(image)
    source = image[..., 0] / 255 if grey else image / 255
    settings = {} if grey else {'channel_axis': -1, 'convert2ycbcr': True}
    result = denoise_wavelet(source, sigma=sigma / 255, method='BayesShrink', rescale_sigma=True, **settings)
    result = (255 * result).round().clip(0, 255).astype(np.uint8)
    return np.repeat(result[..., None], 3, axis=2) if grey else result


RIVALS: dict[str, list[Method]] = {
    'NLM': [lambda image, s=strength: nlm(image, s) for strength in (1, 2, 3, 5, 7, 10, 15, 20, 30)],
    'wavelets': [lambda image, s=sigma: wavelets(image, s) for sigma in (1, 2, 3, 5, 8, 12, 18, 25, 40)],
}
"""For each rival its settings, weakest first."""
