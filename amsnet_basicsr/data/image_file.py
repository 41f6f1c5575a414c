"""From encoded bytes to an RGB image, and on to a tensor."""

import cv2
import numpy as np
import torch


def decode_image(content: bytes, name: str) -> np.ndarray:
    """Decode a picture as training reads it: three channels, upright, 8 or 16 bit as stored.

    Grey pictures get three equal channels, alpha is dropped, EXIF orientation is applied.

    Args:
        content: The file's bytes: PNG, JPEG, BMP, TIFF, WebP or what else OpenCV reads.
        name: What to call the picture in an error.

    Returns:
        RGB image, (H, W, 3), uint8 or uint16.

    Raises:
        ValueError: If the bytes are no image that can be read; the message holds `name`.
    """
    image = None
    if content:
        try:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        except cv2.error:
            image = None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f'{name} is not an image that can be read ({len(content)} bytes)')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Turn an 8 or 16 bit image into what networks take.

    Args:
        image: Image, (H, W, 3), uint8 or uint16, in any memory layout.

    Returns:
        The image, (3, H, W), float32 in [0, 1].
    """
    scaled = image.astype(np.float32) / np.iinfo(image.dtype).max
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))
