"""An image to judge a result by: noisy | denoised, whole and in a crop at full size."""

import cv2
import numpy as np

from amsnet_basicsr.denoise.detail import detailed_part
from amsnet_basicsr.images import ImageData, to_8_bit

PANEL = 800
"""Longest side in pixels of the whole image in a comparison."""
CROP_HEIGHT = 480
_SMALLEST_CROP_WIDTH = 320
_GAP = 8
_GREY = 128


def compare_image(noisy: ImageData, denoised: ImageData) -> ImageData:
    """Put two images of one size side by side: 8 bit, at most 1608×1288 pixels, with the first one's colour space.

    Below both, scaled down to `PANEL`, comes the part with the most detail at full size. Images that need no scaling
    are shown whole only. Alpha is ignored.
    """
    height, width = noisy.pixels.shape[:2]
    scale = min(1.0, PANEL / height, PANEL / width)
    pair = noisy.pixels, denoised.pixels
    rows = [pair]
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        left, right = (cv2.resize(x, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1) for x in pair)
        crop = CROP_HEIGHT, max(size[0], _SMALLEST_CROP_WIDTH)
        y, x, h, w = detailed_part(right, (height, width), crop)
        rows = [(left, right), (pair[0][y : y + h, x : x + w], pair[1][y : y + h, x : x + w])]
    return ImageData(_arrange(rows), None, noisy.metadata.colour())


def _arrange(rows: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    column = max(left.shape[1] for left, _ in rows)
    height = sum(left.shape[0] for left, _ in rows) + _GAP * (len(rows) - 1)
    canvas = np.full((height, 2 * column + _GAP, rows[0][0].shape[2]), _GREY, np.uint8)
    y = 0
    for pair in rows:
        for start, pixels in zip((0, column + _GAP), pair, strict=True):
            x = start + (column - pixels.shape[1]) // 2
            canvas[y : y + pixels.shape[0], x : x + pixels.shape[1]] = to_8_bit(ImageData(pixels)).pixels
        y += pair[0].shape[0] + _GAP
    return canvas
