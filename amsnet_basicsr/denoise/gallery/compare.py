"""An image to judge a result by: noisy | denoised, whole and in a crop at full size."""

import cv2
import numpy as np

from amsnet_basicsr.images import ImageData, Metadata, to_8_bit

PANEL = 800
"""Longest side in pixels of the whole image in a comparison."""
CROP_HEIGHT = 480
_SMALLEST_CROP_WIDTH = 320
_GAP = 8
_GREY = 128


def compare_image(noisy: ImageData, denoised: ImageData) -> ImageData:
    """Put two images side by side.

    Below both, scaled down to `PANEL`, comes the part with the strongest edges at full size. Images that need no
    scaling are shown whole only. Alpha is ignored.

    Args:
        noisy: The left image.
        denoised: The right one, of the same size.

    Returns:
        An 8 bit image of at most 1608×1288 pixels, with the ICC profile of the noisy one.
    """
    height, width = noisy.pixels.shape[:2]
    scale = min(1.0, PANEL / height, PANEL / width)
    pair = (noisy.pixels, denoised.pixels)
    if scale == 1:
        rows = [pair]
    else:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        crop = min(height, CROP_HEIGHT), min(width, max(size[0], _SMALLEST_CROP_WIDTH))
        top, left = strongest_edges(denoised.pixels, *crop)
        rows = [
            tuple(
                cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1) for pixels in pair
            ),
            tuple(pixels[top : top + crop[0], left : left + crop[1]] for pixels in pair),
        ]
    return ImageData(_arrange(rows), None, Metadata(icc=noisy.metadata.icc))


def strongest_edges(pixels: np.ndarray, height: int, width: int) -> tuple[int, int]:
    """Find the part of an image with the most edges, looking at it from afar so that noise doesn't count.

    Args:
        pixels: (H, W, C).
        height: Rows of the part, at most H.
        width: Columns of the part, at most W.

    Returns:
        Its top row and left column.
    """
    full_height, full_width = pixels.shape[:2]
    scale = min(1.0, 400 / max(full_height, full_width))
    size = (max(1, round(full_width * scale)), max(1, round(full_height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1).mean(axis=2)
    edges = np.zeros_like(small)
    edges[1:] += np.abs(np.diff(small, axis=0))
    edges[:, 1:] += np.abs(np.diff(small, axis=1))
    rows = min(size[1], max(1, round(height * scale)))
    columns = min(size[0], max(1, round(width * scale)))
    sums = np.pad(edges, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    within = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
    top, left = np.unravel_index(within.argmax(), within.shape)
    return min(int(top / scale), full_height - height), min(int(left / scale), full_width - width)


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
