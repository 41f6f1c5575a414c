"""What JPEG compression makes of an image."""

import cv2
import numpy as np


def jpeg_and_back(image: np.ndarray, quality: int, half_colour: bool = True) -> np.ndarray:
    """Compress an image as JPEG and decode it.

    Args:
        image: sRGB image, (H, W, 3), uint8.
        quality: 1 to 100.
        half_colour: Store colour at half resolution, as phones do.

    Returns:
        sRGB image, (H, W, 3), uint8.
    """
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if half_colour else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, content = cv2.imencode('.jpg', image[..., ::-1], settings)
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))[..., ::-1].copy()
