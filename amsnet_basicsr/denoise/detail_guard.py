"""Give back what a network took away that isn't noise: `strength='auto'`.

What a denoiser takes away, the residual, is looked at in the cosine transform of blocks of 8×8 pixels. Noise has a
spectrum that depends on brightness alone; it is read off the quietest blocks. What stands out of it is detail. With it
the denoised image tells the power s² of the signal at each frequency of each block, and the noisy image is filtered by
Wiener's rule, s² / (s² + σ²). Block matching methods end in the same filter (Dabov et al., "Image denoising by sparse
3-D transform-domain collaborative filtering", 2007). It mends what the network errs in, in both directions: an image
without noise stays as it is, whatever became of its detail, and noise that is left beside edges is removed.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F

from amsnet_basicsr.denoise.pixels import from_float, to_float

BLOCK, STEP = 8, 4
#: Noise levels are estimated from at most so many blocks, evenly spread.
MOST_BLOCKS = 16384
#: Share of blocks, of each brightness, that the noise is read off.
QUANTILE = 0.1
BRIGHTNESSES, FEWEST_BLOCKS = 6, 60
#: Values this near to black or white are clipped, and their noise with them.
CLIPPED = 4 / 255
#: Below this level, for values from 0 to 1, an image is left as it is: about what rounding to 8 bits and JPEG do.
LITTLE = 0.5 / 255
#: Where the denoised image has texture, the residual has some of it too: up to so many times its power, beyond the
#: power that the remains of noise have, and up to a most.
TEXTURE, REMAINS, MOST_TEXTURE = 2, (0.6 / 255) ** 2, (12 / 255) ** 2
#: Noise of every frequency is taken to have at least this share of the mean power: JPEG leaves gaps in single blocks.
FLATTEST = 0.3
#: How many times the power of the noise the residual must have to count as detail.
TOLERANCE = 2
#: Rows and columns that are worked on at once, and what is read beyond them: a block, its neighbour, the ring around an
#: impulse.
BAND, BAND_WIDTH = 64, 1536
_CONTEXT = 16


def _cosines() -> torch.Tensor:
    """The cosine transform of a block, (64, 64), orthonormal: a row is a frequency, a column a pixel."""
    index = torch.arange(BLOCK)
    rows = torch.cos(math.pi * (2 * index + 1) * index[:, None] / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    rows[0] /= math.sqrt(2)
    return torch.kron(rows, rows)


_COSINES = _cosines()
_COLOURS = F.normalize(torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]]))
_DOWN, _ACROSS = torch.arange(BLOCK**2) // BLOCK, torch.arange(BLOCK**2) % BLOCK
_COARSE, _FINE = _DOWN + _ACROSS < 2, _DOWN + _ACROSS >= 3
_NEAR = ((_DOWN[:, None] - _DOWN).abs().maximum((_ACROSS[:, None] - _ACROSS).abs()) <= 2).float()
_NEAR /= _NEAR.sum(dim=1, keepdim=True)


class NoiseLevel(NamedTuple):
    """Noise by brightness and frequency, for values from 0 to 1.

    Attributes:
        brightness: Mean brightness of the parts of the image, ascending, (K,).
        level: Standard deviation of the noise in each, (K,).
        spectrum: Power of the noise by frequency, of mean 1: brightness and two colours, 64 each, (C, 64, 1).
    """

    brightness: torch.Tensor
    level: torch.Tensor
    spectrum: torch.Tensor

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
    """Estimate the noise from what a denoiser took away.

    Args:
        noisy: Image, (C, H, W), uint8, uint16 or floating point in [0, 1]; H and W at least 8.
        denoised: What a denoiser made of it, alike.

    Returns:
        The noise by brightness and frequency.
    """
    blocks = noisy.shape[1] * noisy.shape[2] / BLOCK**2
    step = BLOCK * max(1, math.ceil(math.sqrt(blocks / MOST_BLOCKS)))
    own, result = (_transform(_blocks(image, step)) for image in (noisy, denoised))
    brightness = result[0, 0] / BLOCK / math.sqrt(len(result))
    inside = (brightness > CLIPPED) & (brightness < 1 - CLIPPED)
    if int(inside.sum()) >= FEWEST_BLOCKS // 2:
        own, result, brightness = own[..., inside], result[..., inside], brightness[inside]
    power = (own - result).square()
    activity, texture = (part[:, _FINE].square().mean(dim=(0, 1)) for part in (own, result))

    parts = max(1, min(BRIGHTNESSES, len(brightness) // FEWEST_BLOCKS))
    means, levels, spectra = [], [], []
    for part in brightness.argsort().chunk(parts):
        quiet = part[activity[part].argsort()[: max(1, round(QUANTILE * len(part)))]]
        taken = (TEXTURE * (texture[quiet].mean() - REMAINS)).clamp(0, MOST_TEXTURE)
        share = (1 - taken / power[:, _FINE][..., quiet].mean().clamp(min=1e-12)).clamp(min=0)
        spectra.append(power[..., quiet].mean(dim=2, keepdim=True) * share)
        levels.append(spectra[-1].mean())
        means.append(brightness[part].mean())
    spectrum = torch.stack(spectra).mean(dim=0)
    spectrum = spectrum / spectrum.mean().clamp(min=1e-12)
    # The mean of the lowest tenth of blocks lies 1.75 standard deviations below that of all.
    deviation = (2 * spectrum.square().sum()).sqrt() / spectrum.sum().clamp(min=1e-12)
    level = (torch.stack(levels) / (1 - 1.75 * deviation).clamp(min=0.4)).sqrt()
    return NoiseLevel(torch.stack(means), level, spectrum.clamp(min=FLATTEST))


def give_back_detail(noisy: torch.Tensor, denoised: torch.Tensor) -> float:
    """Put back into a denoised image what was not noise, in place.

    Single pixels far outside (hot pixels) stay removed.

    Args:
        noisy: Image, (C, H, W), uint8, uint16 or floating point in [0, 1].
        denoised: What a denoiser made of it, alike; changed.

    Returns:
        The noise level of the image, for values from 0 to 1. Below `LITTLE`, `denoised` is the noisy image now.
    """
    if len(noisy) == 3 and torch.equal(noisy[:1].expand_as(noisy), noisy):  # grey stays grey
        level = give_back_detail(noisy[:1], denoised[:1])
        denoised.copy_(denoised[:1].expand_as(denoised).clone())
        return level
    height, width = noisy.shape[1:]
    estimate = noise_level(noisy, denoised) if min(noisy.shape[1:]) >= BLOCK else None
    if estimate is None or estimate.middle < LITTLE:
        denoised.copy_(noisy.clamp(0, 1) if noisy.is_floating_point() else noisy)
        return 0.0 if estimate is None else estimate.middle
    kept = denoised[:, :0]  # rows above the band, as they were before it was written
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        first, last = max(0, top - _CONTEXT), min(height, bottom + _CONTEXT)
        before = torch.cat([kept, denoised[:, top:last]], dim=1)
        kept = before[:, max(0, bottom - _CONTEXT) - first : bottom - first]
        for left in range(0, width, BAND_WIDTH):
            right = min(left + BAND_WIDTH, width)
            begin, end = max(0, left - _CONTEXT), min(width, right + _CONTEXT)
            part = _denoise(to_float(noisy[:, first:last, begin:end]), to_float(before[..., begin:end]), estimate)
            part = part[:, top - first : bottom - first, left - begin : right - begin].clamp(0, 1)
            denoised[:, top:bottom, left:right] = from_float(part, denoised.dtype)
    return estimate.middle


def _denoise(noisy: torch.Tensor, denoised: torch.Tensor, noise: NoiseLevel) -> torch.Tensor:
    """Filter an image by Wiener's rule, with what the network and the detail it removed tell of the signal."""
    height, width = noisy.shape[1:]
    residual = noisy - denoised
    strongest, brightness = residual.abs().amax(dim=0), denoised.mean(dim=0)
    impulse = (strongest > 6 * noise.at(brightness) + 8 / 255) & _is_alone(strongest)
    impulse = F.max_pool2d(impulse[None, None].float(), 3, stride=1, padding=1)[0, 0] > 0  # and the ring around it
    removed = residual.where(~impulse, 0)
    margin = (0, max(-width % STEP, BLOCK - width), 0, max(-height % STEP, BLOCK - height))
    removed, denoised, brightness = (
        F.pad(image[None], margin, mode='replicate')[0] for image in (removed, denoised, brightness[None])
    )
    size = removed.shape[1:]
    blocks = [(length - BLOCK) // STEP + 1 for length in size]
    removed, signal = (_transform(F.unfold(image[:, None], BLOCK, stride=STEP)) for image in (removed, denoised))
    own = signal + removed
    power = noise.spectrum * noise.at(F.avg_pool2d(brightness, BLOCK, STEP).flatten()).square().clamp(min=1e-12)

    excess = (_NEAR.to(power.device) @ (removed.square() / power)).unflatten(2, blocks)
    excess = F.avg_pool2d(excess, 3, stride=1, padding=1, count_include_pad=False).flatten(2)
    signal += removed * (1 - TOLERANCE / excess.clamp(min=1e-12)).clamp(min=0)  # the detail
    coarse = signal[:, _COARSE].clone()
    result = own * (signal.square() / (signal.square() + power))
    result[:, _COARSE] = coarse
    result = F.fold(_transform_back(result), size, BLOCK, stride=STEP)[:, 0]
    overlap = F.fold(result.new_ones(1, BLOCK**2, blocks[0] * blocks[1]), size, BLOCK, stride=STEP)[0]
    return (result / overlap)[:, :height, :width]


def _blocks(image: torch.Tensor, step: int) -> torch.Tensor:
    """Blocks of an image, one every `step` pixels: (C, 64, blocks)."""
    blocks = image.unfold(1, BLOCK, step).unfold(2, BLOCK, step)
    return to_float(blocks).reshape(len(image), -1, BLOCK**2).transpose(1, 2)


def _transform(blocks: torch.Tensor) -> torch.Tensor:
    """Cosine transform of blocks (C, 64, N), and of three colours: brightness and two differences."""
    if len(blocks) == 3:
        blocks = torch.einsum('dc,cpn->dpn', _COLOURS.to(blocks.device), blocks)
    return _COSINES.to(blocks.device) @ blocks


def _transform_back(blocks: torch.Tensor) -> torch.Tensor:
    blocks = _COSINES.to(blocks.device).T @ blocks
    if len(blocks) == 3:
        blocks = torch.einsum('dc,dpn->cpn', _COLOURS.to(blocks.device), blocks)
    return blocks


def _is_alone(strength: torch.Tensor) -> torch.Tensor:
    """Whether at most two of the 24 pixels around one are half as strong: (H, W)."""
    height, width = strength.shape
    padded = F.pad(strength, (2, 2, 2, 2))
    half, alike = strength / 2, torch.zeros_like(strength)
    for down in range(5):
        for right in range(5):
            alike += padded[down : down + height, right : right + width] > half
    return alike <= 3  # with itself
