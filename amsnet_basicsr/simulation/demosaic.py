"""From a Bayer mosaic to colour, with as much or as little neighbour correlation as a camera leaves."""

import cv2
import numpy as np

# Bilinear interpolation plus a Laplacian correction by the known colour (Malvar, He, Cutler, ICASSP 2004): for each
# pair the bilinear kernel and the correction at full strength.
_CROSS = np.array([[0, 0, 0, 0, 0], [0, 0, 2, 0, 0], [0, 2, 0, 2, 0], [0, 0, 2, 0, 0], [0, 0, 0, 0, 0]]) / 8
_DIAGONAL = np.array([[0, 0, 0, 0, 0], [0, 2, 0, 2, 0], [0, 0, 0, 0, 0], [0, 2, 0, 2, 0], [0, 0, 0, 0, 0]]) / 8
_ROW = np.array([[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 4, 0, 4, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]) / 8
_FAR_CROSS = np.array([[0, 0, -1, 0, 0], [0, 0, 0, 0, 0], [-1, 0, 4, 0, -1], [0, 0, 0, 0, 0], [0, 0, -1, 0, 0]]) / 8
_ROW_GREEN = (
    np.array([[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 0, 5, 0, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]) / 8
)
#: Where each colour lies in the 2×2 cell: (row, column) of red, of green in red rows, green in blue rows, and blue.
BAYER_PATTERNS = {
    'RGGB': ((0, 0), (0, 1), (1, 0), (1, 1)),
    'BGGR': ((1, 1), (1, 0), (0, 1), (0, 0)),
    'GRBG': ((0, 1), (0, 0), (1, 1), (1, 0)),
    'GBRG': ((1, 0), (1, 1), (0, 0), (0, 1)),
}


def bayer_mosaic(image: np.ndarray, pattern: str = 'RGGB') -> np.ndarray:
    """Keep the one colour that each photosite of a Bayer sensor sees.

    Args:
        image: Linear RGB image, (H, W, 3), float32.
        pattern: One of `BAYER_PATTERNS`.

    Returns:
        The mosaic, (H, W), float32.
    """
    mosaic = np.empty(image.shape[:2], np.float32)
    for (row, column), channel in zip(BAYER_PATTERNS[pattern], (0, 1, 1, 2), strict=True):
        mosaic[row::2, column::2] = image[row::2, column::2, channel]
    return mosaic


def demosaic(mosaic: np.ndarray, pattern: str = 'RGGB', correction: float = 0.5) -> np.ndarray:
    """Interpolate the missing colours linearly, with a gradient correction of variable strength.

    Args:
        mosaic: Bayer mosaic, (H, W), float32, at least 3×3.
        pattern: One of `BAYER_PATTERNS`.
        correction: 0 is bilinear interpolation, 1 that of Malvar, He and Cutler. In between, the correlation of the
            noise of neighbouring pixels goes from about .6 to .3; .5 comes near to that of smartphone images.

    Returns:
        RGB image, (H, W, 3), float32; values may leave the range of the mosaic a little.
    """

    def estimate(bilinear: np.ndarray, laplacian: np.ndarray) -> np.ndarray:
        kernel = (bilinear + correction * laplacian).astype(np.float32)
        return cv2.filter2D(mosaic, -1, kernel, borderType=cv2.BORDER_REFLECT_101)

    green = estimate(_CROSS, _FAR_CROSS)
    in_row = estimate(_ROW, _ROW_GREEN)
    in_column = estimate(_ROW.T, _ROW_GREEN.T)
    diagonal = estimate(_DIAGONAL, 1.5 * _FAR_CROSS)
    image = np.repeat(mosaic[..., None], 3, axis=2)
    red, green_by_red, green_by_blue, blue = (
        (slice(row, None, 2), slice(column, None, 2)) for row, column in BAYER_PATTERNS[pattern]
    )
    for site in (red, blue):
        image[(*site, 1)] = green[site]
    image[(*red, 2)], image[(*blue, 0)] = diagonal[red], diagonal[blue]
    image[(*green_by_red, 0)], image[(*green_by_red, 2)] = in_row[green_by_red], in_column[green_by_red]
    image[(*green_by_blue, 2)], image[(*green_by_blue, 0)] = in_row[green_by_blue], in_column[green_by_blue]
    return image
