"""Give back what a network took away that isn't noise: `strength='auto'`.

What a denoiser takes away, the residual, is noise where it is as strong as anywhere else at that brightness, and detail
where it is stronger. The noise level is read off the places where the residual is weakest, so it is near zero for an
image without noise, whatever the network made of its detail.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from amsnet_basicsr.denoise.pixels import from_float, to_float

BLOCK = 8
#: Share of blocks, of each brightness, whose residual is weaker than what is taken for the noise level.
QUANTILE = 0.1
BRIGHTNESSES, FEWEST_BLOCKS = 6, 60
#: Values this near to black or white are clipped, and their noise with them.
CLIPPED = 4 / 255
#: Below this level, for values from 0 to 1, an image is left as it is: about what rounding to 8 bits and JPEG do.
LITTLE = 0.5 / 255
#: The residual may be so many times as strong as the noise level before it counts as detail, and more in strong noise,
#: where the network errs less than the guard.
TOLERANCE, STRONG, STRONG_STEP = 1.4, 3 / 255, 6 / 255
#: Rows that are worked on at once, and what is read beyond them: two means of 5×5, and the ring around an impulse.
BAND = 256
_CONTEXT = 8


class NoiseLevel(NamedTuple):
    """Standard deviation of the noise by brightness, for values from 0 to 1.

    Attributes:
        brightness: Mean brightness of the parts of the image, ascending, (K,).
        level: Noise level of each, (K,).
    """

    brightness: torch.Tensor
    level: torch.Tensor

    @property
    def tolerance(self) -> float:
        """How many times as strong as the noise level the residual may be before it counts as detail."""
        return TOLERANCE + max(0.0, self.middle - STRONG) / STRONG_STEP

    @property
    def middle(self) -> float:
        """The level of the middle part: one number for the image."""
        return float(self.level.median())

    def at(self, brightness: torch.Tensor) -> torch.Tensor:
        """Interpolate between the parts; constant beyond them."""
        if len(self.level) == 1:
            return self.level.expand_as(brightness)
        upper = torch.searchsorted(self.brightness, brightness.contiguous()).clamp(1, len(self.level) - 1)
        low, high = self.brightness[upper - 1], self.brightness[upper]
        share = ((brightness - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
        return torch.lerp(self.level[upper - 1], self.level[upper], share)


def noise_level(noisy: torch.Tensor, denoised: torch.Tensor) -> NoiseLevel:
    """Estimate the noise level from what a denoiser took away.

    Args:
        noisy: Image, (C, H, W), uint8, uint16 or floating point in [0, 1].
        denoised: What a denoiser made of it, alike.

    Returns:
        The level by brightness.
    """
    means, deviations = [], []
    for top in range(0, noisy.shape[-2], BAND):
        own, result = (to_float(image[:, top : top + BAND]) for image in (noisy, denoised))
        size = tuple(min(BLOCK, length) for length in noisy.shape[-2:])  # an image may be smaller than a block
        height, width = (length // side * side for length, side in zip(own.shape[-2:], size, strict=True))
        if not height:
            continue
        own, result = own[:, :height, :width], result[:, :height, :width]
        residual = own - result
        mean = F.avg_pool2d(residual[None], size)[0]
        variance = F.avg_pool2d(residual[None].square(), size)[0] - mean.square()
        means.append(F.avg_pool2d(result[None], size)[0].mean(dim=0).flatten())
        deviations.append(variance.clamp(min=0).mean(dim=0).sqrt().flatten())
    mean, deviation = torch.cat(means), torch.cat(deviations)
    inside = (mean > CLIPPED) & (mean < 1 - CLIPPED)
    if int(inside.sum()) >= FEWEST_BLOCKS // 2:
        mean, deviation = mean[inside], deviation[inside]
    mean, order = mean.sort()
    parts = max(1, min(BRIGHTNESSES, len(mean) // FEWEST_BLOCKS))
    levels = [_quantile(part) for part in deviation[order].chunk(parts)]
    return NoiseLevel(torch.stack([part.mean() for part in mean.chunk(parts)]), torch.stack(levels))


def give_back_detail(noisy: torch.Tensor, denoised: torch.Tensor) -> float:
    """Put back into a denoised image what was not noise, in place.

    The residual is scaled by the Wiener gain σ²/s² where its local power s² is above what noise of level σ explains.
    Single pixels far outside (hot pixels) stay removed.

    Args:
        noisy: Image, (C, H, W), uint8, uint16 or floating point in [0, 1].
        denoised: What a denoiser made of it, alike; changed.

    Returns:
        The noise level of the image, for values from 0 to 1. Below `LITTLE`, `denoised` is the noisy image now.
    """
    estimate = noise_level(noisy, denoised)
    if estimate.middle < LITTLE:
        denoised.copy_(noisy)
        return estimate.middle
    height = noisy.shape[-2]
    kept: torch.Tensor | None = None  # rows above the band, as they were before it was written
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        first, last = max(0, top - _CONTEXT), min(height, bottom + _CONTEXT)
        before = denoised[:, top:last].clone()
        result = before if kept is None else torch.cat([kept, before], dim=1)
        band = _with_detail(to_float(noisy[:, first:last]), to_float(result), estimate)
        kept = before[:, max(0, bottom - top - _CONTEXT) : bottom - top]
        denoised[:, top:bottom] = from_float(band[:, top - first : bottom - first].clamp(0, 1), denoised.dtype)
    return estimate.middle


def _with_detail(noisy: torch.Tensor, denoised: torch.Tensor, estimate: NoiseLevel) -> torch.Tensor:
    residual = noisy - denoised
    level = estimate.at(denoised.mean(dim=0))
    level = level * estimate.tolerance
    strongest = residual.abs().amax(dim=0)
    impulse = (strongest > 5 * level + 8 / 255) & _is_alone(strongest)
    impulse = F.max_pool2d(impulse[None, None].float(), 3, stride=1, padding=1)[0, 0] > 0  # and the ring around it
    power = torch.where(impulse, level.square(), residual.square().mean(dim=0))
    power = _mean_around(_mean_around(power))
    gain = (level.square() / power.clamp(min=1e-12)).clamp(max=1)
    return noisy - torch.where(impulse, 1, gain) * residual


def _is_alone(strength: torch.Tensor) -> torch.Tensor:
    """Whether at most two of the 24 pixels around one are half as strong: (H, W)."""
    height, width = strength.shape
    padded = F.pad(strength, (2, 2, 2, 2))
    half, alike = strength / 2, torch.zeros_like(strength)
    for down in range(5):
        for right in range(5):
            alike += padded[down : down + height, right : right + width] > half
    return alike <= 3  # with itself


def _mean_around(image: torch.Tensor) -> torch.Tensor:
    """Mean of 5×5 pixels, of those that there are at the border: (H, W)."""
    return F.avg_pool2d(image[None, None], 5, stride=1, padding=2, count_include_pad=False)[0, 0]


def _quantile(values: torch.Tensor) -> torch.Tensor:
    return values.kthvalue(max(1, round(QUANTILE * len(values)))).values
