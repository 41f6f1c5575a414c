"""Give a denoised photograph the brightness of the noisy one.

A network that minimizes L1 learns the median of the noisy values. A camera's noise has its mean at the clean value
before the tone curve, so behind it the median lies below, most of all in dark regions with strong noise. The mean in
linear light has no such shift, but values that were cut off at black raise it, and one that counts them as cut off
(a censored normal distribution, Tobin 1958) lies too low where the camera mixed its channels after the cut. The truth
was found between the two.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from amsnet_basicsr.denoise.pixels import to_float
from amsnet_basicsr.simulation.srgb import to_linear, to_srgb

Array = NDArray[np.floating]

#: Number of brightness levels, with as many pixels each, that a shift is measured at; between them it is interpolated.
BINS = 8
#: Share of the measured shift that is applied: some of it is detail that the denoiser lost, and chance. In a grey image
#: three channels have been averaged behind the tone curve: their noise shifted more than what is left of it tells.
SHARE, SHARE_ALIKE = 0.75, 1.0
#: Noise leans if the middle of its 16th and 84th percentile lies further from its median, as a share of the distance
#: between them. If it leans upwards, it is a camera's only where more than this share of pixels is cut off at black.
LEANS, CUT_OFF = 0.025, 0.02
#: An image's brightness is measured at so many pixels at most, evenly spread.
MOST_PIXELS = 2**17


def match_brightness(noisy: Array, denoised: Array, share: float = SHARE) -> Array:
    """Shift each brightness of a denoised image towards the mean of the noisy one in linear light.

    Args:
        noisy: sRGB image (H, W, C) in [0, 1].
        denoised: What a denoiser made of it, alike.
        share: Share of the measured shift that is applied.

    Returns:
        The shifted image, (H, W, C) in [0, 1].
    """
    shifted = np.empty_like(denoised)
    for channel in range(denoised.shape[2]):
        values = denoised[..., channel]
        levels, shifts = brightness_shifts(noisy[..., channel].ravel(), values.ravel())
        shifted[..., channel] = values + share * np.interp(values, levels, shifts)
    return shifted.clip(0, 1)


def brightness_curves(
    noisy: torch.Tensor, denoised: torch.Tensor, share: float
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Measure the shift of each channel of an image, to be interpolated between levels of brightness.

    Args:
        noisy: sRGB image, (C, H, W), uint8, uint16 or floating point in [0, 1].
        denoised: What a denoiser made of it, alike.
        share: Share of the measured shift that is applied.

    Returns:
        For each channel ascending values in [0, 1], (K,), and what to add to the denoised values there.
    """
    channels = zip(_pixels(noisy), _pixels(denoised), strict=True)
    curves = torch.tensor([brightness_shifts(*channel) for channel in channels])
    return [(levels, share * shifts) for levels, shifts in curves.to(noisy.device)]


def arose_in_linear_light(noisy: torch.Tensor, denoised: torch.Tensor) -> bool:
    """Tell whether noise arose before the tone curve, as a camera's does.

    Behind the curve more of it lies far below its median than far above, or the other way around where it was cut off
    at black. Noise that is added to an sRGB image, and film grain, lies evenly around its median.

    Args:
        noisy: sRGB image, (C, H, W), uint8, uint16 or floating point in [0, 1].
        denoised: What a denoiser made of it, alike.
    """
    lean, cut_off = [], []
    for seen, result in zip(_pixels(noisy), _pixels(denoised), strict=True):
        cut_off.append(((seen <= 0.5 / 255) & (result > 2 / 255)).mean())
        dither = (np.arange(len(seen)) * (math.sqrt(5) - 1) / 2 % 1 - 0.5) / 255  # of 8-bit levels
        for pixels in _by_brightness(result):
            darkest, brightest = np.quantile(seen[pixels], (0.16, 0.84))
            if darkest >= 1 / 255 and brightest <= 254 / 255:
                low, middle, high = np.quantile((seen - result + dither)[pixels], (0.16, 0.5, 0.84))
                lean.append((high + low - 2 * middle) / (high - low))
    leans = float(np.mean(lean or [0.0]))
    return leans < -LEANS or (leans > LEANS and float(np.mean(cut_off)) > CUT_OFF)


def _pixels(image: torch.Tensor) -> Array:
    """Some of an image's pixels, evenly spread, (C, N)."""
    step = math.ceil(math.sqrt(image.shape[1] * image.shape[2] / MOST_PIXELS))
    return to_float(image[:, ::step, ::step]).flatten(1).cpu().double().numpy()


def _by_brightness(values: Array) -> list[NDArray[np.intp]]:
    """Indices of `BINS` parts of values, (N,), from dark to bright, with as many in each."""
    return np.array_split(values.argsort(kind='stable'), BINS)


def brightness_shifts(noisy: Array, denoised: Array) -> tuple[list[float], list[float]]:
    """Measure how much too dark the values of one channel are, by brightness.

    Args:
        noisy: sRGB values in [0, 1], (N,).
        denoised: What a denoiser made of them, alike.

    Returns:
        The median of the denoised values in each of `BINS` parts, ascending, and the shift to the noisy ones there.
    """
    levels, shifts = [], []
    for pixels in _by_brightness(denoised):
        level = float(np.median(denoised[pixels]))
        expected, seen = to_linear(denoised[pixels]), noisy[pixels]
        error = to_linear(seen) - expected
        cut_off = censored_mean(error, -expected, 1 - expected, seen <= 0.5 / 255, seen >= 254.5 / 255)
        levels.append(level)
        shifts.append(float(to_srgb(to_linear(np.array(level)) + (error.mean() + cut_off) / 2)) - level)
    return levels, shifts


def censored_mean(
    values: Array, low: Array, high: Array, is_low: NDArray[np.bool_], is_high: NDArray[np.bool_]
) -> float:
    """Mean of a normal distribution of which values below `low` and above `high` are only known to lie there (EM)."""
    seen, count = values[~(is_low | is_high)], len(values)
    seen_total, seen_squares = float(seen.sum()), float((seen**2).sum())
    mean, deviation, cut_off = 0.0, float(values.std()) + 1e-6, [(low[is_low], 1.0), (high[is_high], -1.0)]
    for _ in range(30 if len(seen) < count else 1):
        total, squares = seen_total, seen_squares
        for bounds, sign in cut_off:
            z = sign * (bounds - mean) / deviation
            ratio = np.exp(-z * z / 2 - 0.5 * np.log(2 * np.pi) - torch.special.log_ndtr(torch.from_numpy(z)).numpy())
            expected = mean - sign * deviation * ratio
            total += float(expected.sum())
            squares += float((expected**2 + deviation**2 * np.maximum(1 - z * ratio - ratio**2, 0)).sum())
        before, mean = mean, total / count
        deviation = max(squares / count - mean**2, 0.0) ** 0.5 + 1e-9
        if abs(mean - before) < 1e-6 * deviation:
            break
    return mean
