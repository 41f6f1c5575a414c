"""The transfer curve of sRGB (IEC 61966-2-1)."""

import numpy as np
from numpy.typing import NDArray


def to_linear(srgb: NDArray[np.floating]) -> NDArray[np.floating]:
    """Linear light in [0, 1] of sRGB values in [0, 1]."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """SRGB values in [0, 1] of linear light; what lies below black is black."""
    linear = linear.clip(min=0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
