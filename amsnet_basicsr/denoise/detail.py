"""Where an image has the most detail: there a denoiser has the most to lose."""

import numpy as np


def detailed_part(small: np.ndarray, size: tuple[int, int], part: tuple[int, int]) -> tuple[int, int, int, int]:
    """Find the part of an image with the most detail by a smaller copy (h, w, C), or the image itself.

    `size` is that of the image, `part` that of the part, which is cut to the image; both are height and width. Returns
    top, left, height and width of the part in the image.
    """
    sides = [min(whole, wanted) for whole, wanted in zip(size, part, strict=True)]
    luma = small.mean(axis=2)
    place = most_detailed(luma, *(max(1, p * s // w) for p, s, w in zip(sides, luma.shape, size, strict=True)))
    top, left = (min(x * w // s, w - p) for x, w, s, p in zip(place, size, luma.shape, sides, strict=True))
    return top, left, sides[0], sides[1]


def most_detailed(luma: np.ndarray, height: int, width: int) -> tuple[int, int]:
    """Return top and left of the part with the largest mean absolute difference between neighbouring pixels.

    `luma` is the brightness, (H, W); parts a quarter of their size apart are compared.
    """
    luma = luma.astype(np.float64)
    change = np.abs(np.diff(luma, axis=0, append=luma[-1:])) + np.abs(np.diff(luma, axis=1, append=luma[:, -1:]))
    sums = np.pad(change, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    rows, columns = (
        np.unique([*range(0, whole - part, max(part // 4, 1)), whole - part])
        for whole, part in zip(luma.shape, (height, width), strict=True)
    )
    top, left = rows[:, None], columns[None]
    totals = sums[top + height, left + width] - sums[top, left + width] - sums[top + height, left] + sums[top, left]
    row, column = np.unravel_index(totals.argmax(), totals.shape)
    return int(rows[row]), int(columns[column])
