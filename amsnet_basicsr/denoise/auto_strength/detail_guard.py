"""Give back what a network took away that isn't noise: `strength='auto'`.

What a denoiser takes away, the residual, is looked at in the cosine transform of blocks of 8×8 pixels. Noise has a
spectrum that depends on brightness alone (`noise_level`). What stands out of it is detail. With it the denoised image
tells the power s² of the signal at each frequency of each block, and the noisy image is filtered by Wiener's rule,
s² / (s² + σ²). Block matching methods end in the same filter (Dabov et al., "Image denoising by sparse 3-D
transform-domain collaborative filtering", 2007). It mends what the network errs in, in both directions: an image
without noise stays as it is, whatever became of its detail, and noise that is left beside edges is removed. Noise that
is not white is known less well; then the result is the mean of the filter's and the network's. Where it may be texture,
a part of it is left in.

A photograph is given the brightness that it has in linear light before that (`brightness`).
"""

import torch
import torch.nn.functional as F

from amsnet_basicsr.denoise.auto_strength.brightness import (
    SHARE,
    SHARE_ALIKE,
    arose_in_linear_light,
    brightness_curves,
)
from amsnet_basicsr.denoise.auto_strength.cosine_blocks import ACROSS, BLOCK, DOWN, transform, transform_back
from amsnet_basicsr.denoise.auto_strength.noise_level import LITTLE, NoiseLevel, interpolate, noise_level
from amsnet_basicsr.denoise.pixels import from_float, to_float

STEP = 4
#: Rows and columns that are worked on at once, and what is read beyond them: a block, its neighbour, the ring around an
#: impulse.
BAND, BAND_WIDTH = 64, 1536
_CONTEXT = 16

#: Share of the network's own result. White noise is known so well that the filter needs none; else the two err
#: differently, and their mean is better than either.
NETWORK = 0.5
#: How much is removed of what may be texture. Noise of each channel's own hardly is.
REMOVED_OF_A_CAMERA, REMOVED = 0.95, 0.8

_COARSE = DOWN + ACROSS < 2
_NEAR = ((DOWN[:, None] - DOWN).abs().maximum((ACROSS[:, None] - ACROSS).abs()) <= 2).float()
_NEAR /= _NEAR.sum(dim=1, keepdim=True)


def give_back_detail(noisy: torch.Tensor, denoised: torch.Tensor) -> float:
    """Put back into a denoised image what was not noise, and the brightness of a photograph, in place.

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
    curves = []
    if estimate.is_of_a_camera:
        curves = brightness_curves(noisy, denoised, SHARE)
    elif estimate.is_soft and arose_in_linear_light(noisy, denoised):
        curves = brightness_curves(noisy, denoised, SHARE_ALIKE)
    kept = denoised[:, :0]  # rows above the band, as they were before it was written
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        first, last = max(0, top - _CONTEXT), min(height, bottom + _CONTEXT)
        before = torch.cat([kept, denoised[:, top:last]], dim=1)
        kept = before[:, max(0, bottom - _CONTEXT) - first : bottom - first]
        for left in range(0, width, BAND_WIDTH):
            right = min(left + BAND_WIDTH, width)
            begin, end = max(0, left - _CONTEXT), min(width, right + _CONTEXT)
            result = to_float(before[..., begin:end])
            if curves:
                result = torch.stack([x + interpolate(x, *curve) for x, curve in zip(result, curves, strict=True)])
            part = _denoise(to_float(noisy[:, first:last, begin:end]), result, estimate)
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
    removed, signal = (transform(F.unfold(image[:, None], BLOCK, stride=STEP)) for image in (removed, denoised))
    own = signal + removed
    power = noise.spectrum * noise.at(F.avg_pool2d(brightness, BLOCK, STEP).flatten()).square().clamp(min=1e-12)

    excess = (_NEAR.to(power.device) @ (removed.square() / power)).unflatten(2, blocks)
    excess = F.avg_pool2d(excess, 3, stride=1, padding=1, count_include_pad=False).flatten(2)
    signal += removed * (1 - noise.tolerance / excess.clamp(min=1e-12)).clamp(min=0)  # the detail
    coarse = signal[:, _COARSE].clone()
    result = own * (signal.square() / (signal.square() + power))
    result[:, _COARSE] = coarse
    result = F.fold(transform_back(result), size, BLOCK, stride=STEP)[:, 0]
    overlap = F.fold(result.new_ones(1, BLOCK**2, blocks[0] * blocks[1]), size, BLOCK, stride=STEP)[0]
    result = torch.lerp(result / overlap, denoised, 0.0 if noise.is_white else NETWORK)[:, :height, :width]
    full = min(1.0, noise.middle / LITTLE - 1)  # from nothing at the limit to all at twice that level
    return torch.lerp(noisy, result, full * torch.where(impulse, 1.0, _removed(noise)))


def _removed(noise: NoiseLevel) -> float:
    """How much of what is taken for noise is removed: less if it may be texture."""
    if noise.is_white or noise.is_even:
        return 1.0
    return REMOVED_OF_A_CAMERA if noise.is_of_a_camera else REMOVED


def _is_alone(strength: torch.Tensor) -> torch.Tensor:
    """Whether at most two of the 24 pixels around one are half as strong: (H, W)."""
    height, width = strength.shape
    padded = F.pad(strength, (2, 2, 2, 2))
    half, alike = strength / 2, torch.zeros_like(strength)
    for down in range(5):
        for right in range(5):
            alike += padded[down : down + height, right : right + width] > half
    return alike <= 3  # with itself
