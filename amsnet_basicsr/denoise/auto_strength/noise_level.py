"""How much noise an image has, by brightness and frequency, judged by what a denoiser took away.

The noise is read off where the image is quietest, less what fine texture there may have added to it. White noise is
known better: it is alike in every channel and at every frequency, and the finest differences between channels have
hardly any texture. So where those are as strong as the coarser ones, they tell the level, whatever texture the denoiser
took away.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from amsnet_basicsr.denoise.auto_strength.cosine_blocks import ACROSS, BLOCK, DOWN, blocks_of, transform

#: Noise is estimated from at most so many blocks, evenly spread.
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
#: Least power of noise in two parts of an image or more that tells that it has noise, whatever the others say, and how
#: far the parts may differ.
SURELY_NOISE, AGREE = (3 / 255) ** 2, 3
#: Power of the fine frequencies below which a block is of one colour. Of a frame, or another drawn part, they tell
#: nothing of the noise beside it.
CONSTANT = (0.05 / 255) ** 2
#: Noise of every frequency is taken to have at least this share of the mean power: JPEG leaves gaps in single blocks.
FLATTEST = 0.3
#: How strong the finest colours must be beside the middle ones for noise that may be white, and that is white for sure.
#: Their powers; texture and a camera's noise both fade towards fine colours.
MAYBE_WHITE, SURELY_WHITE = 0.65**2, 0.85**2
#: White noise has the same power in brightness and both colours, up to chance, and in brightness up to texture. Colours
#: that differ more than by the second ratio are a camera's.
MOST_BRIGHTNESS, ALIKE, MAYBE_ALIKE = 3.5, 0.7, 0.5
#: How many times the power of the noise a residual must have to count as detail. A camera's noise, and JPEG's way of
#: keeping it in one block and dropping it in the next, vary more than white noise.
TOLERANCE, TOLERANCE_WHITE = 10.0, 1.4
#: Least power of a camera's noise in the colours beside that in brightness; JPEG with halved colours leaves 0.22.
OWN_COLOURS = 0.17
#: Power of the finest noise beside that of middle frequencies: a camera's has less; white noise has 1.
SOFT = 0.7
#: Noise is spread over the frequencies of a block and over blocks by chance alone: with brightness and spectrum known,
#: to a kurtosis of 2.8 to 3.1, and powers of blocks whose logarithms deviate by 0.2 to 0.4. JPEG keeps some frequencies
#: and drops others. What is beyond both limits may be texture.
EVEN_FREQUENCIES, EVEN_BLOCKS = 3.4, 0.5
#: Bands: frequencies along one axis that are so many times as strong as those beside them.
BANDS = 4

FINE = DOWN + ACROSS >= 3
_MIDDLE, _FINEST = FINE & (DOWN + ACROSS <= 6), DOWN + ACROSS >= 8


class NoiseLevel(NamedTuple):
    """Noise by brightness and frequency, for values from 0 to 1.

    Attributes:
        brightness: Mean brightness of the parts of the image, ascending, (K,).
        level: Standard deviation of the noise in each, (K,).
        spectrum: Power of the noise by frequency, of mean about 1: brightness and two colours, 64 each, (C, 64, 1).
        is_white: Whether it is white noise, or likely to be.
        is_even: Whether it is spread over frequencies or over blocks as noise is. If not, it may be texture.
    """

    brightness: torch.Tensor
    level: torch.Tensor
    spectrum: torch.Tensor
    is_white: bool
    is_even: bool

    @property
    def tolerance(self) -> float:
        """How many times the power of the noise a residual must have to count as detail."""
        return TOLERANCE_WHITE if self.is_white else TOLERANCE

    @property
    def is_of_a_camera(self) -> bool:
        """Whether each channel has its own noise, not white. Film grain and grey noise are the same in all three."""
        if self.is_white or len(self.spectrum) == 1:
            return False
        return bool(self.spectrum[1:].mean() > OWN_COLOURS * self.spectrum[0].mean())

    @property
    def is_soft(self) -> bool:
        """Whether it fades towards fine structures, as a camera's noise does and white noise doesn't."""
        finest, middle = (self.spectrum[0, which].mean() for which in (_FINEST, _MIDDLE))
        return not self.is_white and bool(finest < SOFT * middle)

    @property
    def middle(self) -> float:
        """The level of the middle part: one number for the image."""
        return float(self.level.median())

    def at(self, brightness: torch.Tensor) -> torch.Tensor:
        """Interpolate between the parts; constant beyond them."""
        return interpolate(brightness, self.brightness, self.level)


def interpolate(x: torch.Tensor, points: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Interpolate linearly between `values` at ascending `points`, (K,); constant beyond them."""
    if len(values) == 1:
        return values.expand_as(x)
    upper = torch.searchsorted(points, x.contiguous()).clamp(1, len(values) - 1)
    low, high = points[upper - 1], points[upper]
    share = ((x - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    return torch.lerp(values[upper - 1], values[upper], share)


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
    own, result = (transform(blocks_of(image, step)) for image in (noisy, denoised))
    brightness = _brightness(result)
    inside = (brightness > CLIPPED) & (brightness < 1 - CLIPPED)
    if int(inside.sum()) >= FEWEST_BLOCKS // 2:
        own, result = own[..., inside], result[..., inside]
    level = _noise_level(own, result)
    varied = own[:, FINE].square().mean(dim=(0, 1)) > CONSTANT
    if level.middle < LITTLE and FEWEST_BLOCKS // 2 <= int(varied.sum()) < len(varied):
        within = _noise_level(own[..., varied], result[..., varied])
        if within.middle**2 >= SURELY_NOISE:
            return within
    return level


def _brightness(blocks: torch.Tensor) -> torch.Tensor:
    """Mean of each of some transformed blocks, (C, 64, N)."""
    return blocks[0, 0] / BLOCK / math.sqrt(len(blocks))


def _noise_level(own: torch.Tensor, result: torch.Tensor) -> NoiseLevel:
    """Estimate the noise from an image's transformed blocks and those of the denoised one, (C, 64, N)."""
    brightness = _brightness(result)
    power = (own - result).square()
    activity, texture = (part[:, FINE].square().mean(dim=(0, 1)) for part in (own, result))
    coarser = own[:, _MIDDLE].square().mean(dim=(0, 1))
    is_white, is_surely = _whiteness(own, coarser) if len(own) == 3 else (False, False)

    parts = brightness.argsort().chunk(max(1, min(BRIGHTNESSES, len(brightness) // FEWEST_BLOCKS)))
    means, powers, shares = torch.stack([brightness[part].mean() for part in parts]), [], []
    for part in parts:
        quiet = _quietest(activity, part)
        taken = (TEXTURE * (texture[quiet].mean() - REMAINS)).clamp(0, MOST_TEXTURE)
        share = (1 - taken / power[:, FINE][..., quiet].mean().clamp(min=1e-12)).clamp(min=0)
        powers.append(power[..., quiet].mean(dim=2, keepdim=True) * share)
        shares.append(share)
    kurtosis, blocks = _unevenness(power[0, FINE], parts)
    is_even = kurtosis < EVEN_FREQUENCIES or blocks < EVEN_BLOCKS
    spectra = torch.stack(powers)
    spectrum = spectra.mean(dim=0)
    # The mean of the lowest tenth of blocks lies 1.75 standard deviations below that of all.
    deviation = (2 * spectrum.square().sum()).sqrt() / spectrum.sum().clamp(min=1e-12)
    spectra = spectra / (1 - 1.75 * deviation).clamp(min=0.4)
    by_part, spectrum = spectra.mean(dim=(1, 2, 3)), spectra.mean(dim=0)
    if is_even:
        by_part = _known(by_part, torch.stack(shares))
    if not is_white:
        spectrum = spectrum / spectrum.mean().clamp(min=1e-12)
        return NoiseLevel(means, by_part.sqrt(), spectrum.clamp(min=FLATTEST), False, is_even)
    # Chosen by other frequencies, so that blocks of little noise by chance are not chosen with it.
    colour = torch.stack([own[1:, _FINEST][..., _quietest(coarser, part)].square().mean() for part in parts])
    level = colour if is_surely else by_part.minimum(colour)
    return NoiseLevel(means, level.sqrt(), _white_with_bands(spectrum, float(colour.mean())), True, is_even)


def _known(power: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Replace unknown levels of an image that seems to have no noise, if others are surely noise and agree.

    Where all that was removed may be texture, as among letters, the level is unknown, not zero.

    Args:
        power: Power of the noise in each part of the image, (K,).
        shares: Share of the residual there that is noise for sure, (K,).
    """
    sure = power[shares > 0.5]
    if power.median() >= LITTLE**2 or len(sure) < 2 or sure.min() < SURELY_NOISE or sure.max() > AGREE * sure.min():
        return power
    return power.where(shares > 0, sure.mean())


def _quietest(activity: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """Those of some blocks that have the least power."""
    return part[activity[part].argsort()[: max(1, round(QUANTILE * len(part)))]]


def _unevenness(power: torch.Tensor, parts: Sequence[torch.Tensor]) -> tuple[float, float]:
    """How residuals spread over the frequencies of a block and over blocks, given their mean power in each part.

    Args:
        power: Power of each frequency of each block, (F, N).
        parts: Indices of the blocks of each brightness.

    Returns:
        The kurtosis of frequencies within a block, and the standard deviation of the logarithm of the blocks' powers.
    """
    kurtosis, blocks = 0.0, []
    for part in parts:
        relative = power[:, part] / power[:, part].mean(dim=1, keepdim=True).clamp(min=1e-12)
        blocks.append(relative.mean(dim=0).clamp(min=1e-6))
        kurtosis += float((relative / blocks[-1]).square().mean()) * len(part)
    return kurtosis / power.shape[1], float(torch.cat(blocks).log().std(correction=0))


def _whiteness(own: torch.Tensor, coarser: torch.Tensor) -> tuple[bool, bool]:
    """Whether an image's noise may be white, and whether it surely is.

    Args:
        own: The image's transformed blocks, (3, 64, N).
        coarser: Power of the middle frequencies of each block, (N,).
    """
    quiet = own[..., _quietest(coarser, torch.arange(len(coarser), device=own.device))].square().mean(dim=2)
    brightness, first, second = quiet[:, _FINEST].mean(dim=1).tolist()
    colour, middle = (first + second) / 2, float(quiet[1:, _MIDDLE].mean())
    if colour < max(LITTLE**2, MAYBE_WHITE * middle) or brightness > MOST_BRIGHTNESS * colour:
        return False, False
    if min(first, second) < MAYBE_ALIKE * max(first, second):
        return False, False
    is_surely = colour > SURELY_WHITE * middle and ALIKE * colour < brightness < colour / ALIKE
    return True, is_surely and ALIKE * second < first and ALIKE * first < second


def _white_with_bands(spectrum: torch.Tensor, power: float) -> torch.Tensor:
    """A flat spectrum, and in it the bands of a sensor's rows or columns: (C, 64, 1)."""
    flat = torch.ones_like(spectrum)
    for one in (ACROSS, DOWN):
        if spectrum[0, FINE & (one == 0)].mean() > BANDS * spectrum[0, FINE & (one == 1)].mean():
            flat[0, one == 0] = (spectrum[0, one == 0] / power).clamp(min=1)
    return flat
