"""Targets of a student whose brightness agrees with the noisy images'.

A network that minimizes L1 learns the median of the noisy values. A camera's noise has its mean at the clean value
before the tone curve, so behind it the median lies below, most of all in dark regions with strong noise. The mean in
linear light has no such shift, but values that were cut off at black raise it, and one that counts them as cut off
(a censored normal distribution, Tobin 1958) lies too low where the camera mixed its channels after the cut. The truth
was found between the two.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from amsnet_basicsr.simulation.srgb import to_linear, to_srgb

Array = NDArray[np.floating]


def match_brightness(noisy: Array, denoised: Array, bins: int = 8, share: float = 0.75) -> Array:
    """Shift each brightness of a denoised image towards the mean of the noisy one in linear light.

    Args:
        noisy: sRGB image (H, W, C) in [0, 1].
        denoised: What a denoiser made of it, alike.
        bins: Number of brightness levels, with as many pixels each, that a shift is measured at; between them it is
            interpolated.
        share: Share of the measured shift that is applied: some of it is detail that the denoiser lost, and chance.

    Returns:
        The shifted image, (H, W, C) in [0, 1].
    """
    shifted = np.empty_like(denoised)
    for channel in range(denoised.shape[2]):
        values = denoised[..., channel]
        levels, shifts = _shifts(noisy[..., channel], values, bins)
        shifted[..., channel] = values + share * np.interp(values, levels, shifts)
    return shifted.clip(0, 1)


def _shifts(noisy: Array, denoised: Array, bins: int) -> tuple[list[float], list[float]]:
    """Median of the denoised values in each bin, and the shift of sRGB values measured there."""
    order = np.argsort(denoised, axis=None, kind='stable')
    levels, shifts = [], []
    for pixels in np.array_split(order, bins):
        level = float(np.median(denoised.flat[pixels]))
        expected, seen = to_linear(denoised.flat[pixels]), noisy.flat[pixels]
        error = to_linear(seen) - expected
        cut_off = censored_mean(error, -expected, 1 - expected, seen <= 0.5 / 255, seen >= 254.5 / 255)
        levels.append(level)
        shifts.append(float(to_srgb(to_linear(np.array(level)) + (error.mean() + cut_off) / 2)) - level)
    return levels, shifts


def censored_mean(
    values: Array, low: Array, high: Array, is_low: NDArray[np.bool_], is_high: NDArray[np.bool_]
) -> float:
    """Mean of a normal distribution of which values below `low` and above `high` are only known to lie there (EM)."""
    mean, deviation = 0.0, float(values.std()) + 1e-6
    for _ in range(30):
        expected, variance = values.copy(), np.zeros_like(values)
        for where, bounds, sign in ((is_low, low, 1.0), (is_high, high, -1.0)):
            z = sign * (bounds[where] - mean) / deviation
            ratio = np.exp(-z * z / 2 - 0.5 * np.log(2 * np.pi) - log_ndtr(z))
            expected[where] = mean - sign * deviation * ratio
            variance[where] = deviation**2 * np.maximum(1 - z * ratio - ratio**2, 0)
        before, mean = mean, float(expected.mean())
        deviation = float(np.sqrt(((expected - mean) ** 2 + variance).mean())) + 1e-9
        if abs(mean - before) < 1e-6 * deviation:
            break
    return mean
