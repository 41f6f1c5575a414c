"""Which of two networks denoises better, told from noisy images alone: Stein's unbiased estimate of the risk.

For y = x + n with Gaussian noise n of covariance Σ, E|f(y) − x|² = E|f(y) − y|² + 2 tr(Σ ∂f/∂y) − tr Σ. The trace is
the mean of n'·(f(y + ε n') − f(y)) / ε over other noise n' of the same kind, which the noise model draws, and tr Σ is
the same for every network. (Stein 1981; Ramani, Blu and Unser 2008 for the random probe.)
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import torch
from torch import nn

from amsnet_basicsr.denoise.load_model import Model
from amsnet_basicsr.fit.adapt.noise import NoiseModel
from amsnet_basicsr.fit.patches import split

_STEP = 0.1  # ε: large enough for float32, small enough to be a derivative
_NOISIER = 1.5  # of noise that has so many times the energy in nearly all blocks, the level is another
_WEAKER = 0.9  # a network must be better with this share of the level too, which a few flat places may overestimate
_BLOCK = 32
SIDE, CROP = 256, 128
"""Sides, at most, of what is held out of an image, and of the crops of it that networks are compared in."""
FEWEST = 4
"""Crops that it takes to tell which network is better."""
MULTIPLE = 16
"""The sides of tiles are multiples of this, as the networks of a fit require."""
_CLIPPED = 0.02  # noise of pixels nearer to black or white is cut off, and not Gaussian


def risks(
    nets: Sequence[nn.Module],
    crops: Sequence[np.ndarray],
    noise: NoiseModel,
    device: torch.device,
    seed: int,
) -> np.ndarray:
    """Estimate the mean squared errors of networks on noisy crops, (2, crops, networks), values in [0, 1].

    The second set is for noise a tenth weaker, as its level is not known better: smoothing pays less then. Single ones
    may be negative by chance. Crops whose noise is plainly stronger, by what the first network removes, are left out,
    NaN.

    Args:
        nets: Networks from (N, 3, H, W) to the same, values in [0, 1], in evaluation mode.
        crops: Noisy crops, (H, W, 3), float32, of sides that the networks take.
        noise: What their noise is like.
        device: Where to run.
        seed: Seed of the probes.
    """
    generator = np.random.default_rng(seed)
    result = np.empty((2, len(crops), len(nets)))
    for index, noisy in enumerate(crops):
        level = noise.level_in(noisy)
        probe = level * noise.draw(noisy.shape[0], noisy.shape[1], generator)
        inside = ((noisy > _CLIPPED) & (noisy < 1 - _CLIPPED)).all(axis=2)
        for column, net in enumerate(nets):
            plain, moved = (run(net, image, device) for image in (noisy, noisy + _STEP * probe))
            if not inside.any() or (column == 0 and is_noisier(noisy, plain, noise)):
                result[:, index] = np.nan
                break
            left, follows = (plain - noisy) ** 2, 2 * probe * (moved - plain) / _STEP - level**2
            result[:, index, column] = [(left + energy * follows)[inside].mean() for energy in (1, _WEAKER**2)]
    return result


def is_noisier(noisy: np.ndarray, denoised: np.ndarray, noise: NoiseModel) -> bool:
    """Whether an image, (H, W, 3) float32, has plainly more noise than that, by what a denoiser removed of it."""
    blocks = [max(1, side // _BLOCK) for side in (noisy.shape[1], noisy.shape[0])]
    removed, expected = (
        cv2.resize((part**2).mean(axis=2), blocks, interpolation=cv2.INTER_AREA)
        for part in (noisy - denoised, noise.level_in(noisy))
    )
    # Not the mean: where there is texture, what was removed may be that.
    return bool(np.quantile(removed / expected.clip(1e-9), 0.25) > _NOISIER)


def as_tile(pixels: np.ndarray, most: int) -> np.ndarray:
    """Cut the top left of an image, (H, W, 3) uint8, as networks take it: float32 in [0, 1], sides at most `most`."""
    height, width = (min(side, most) // MULTIPLE * MULTIPLE for side in pixels.shape[:2])
    return pixels[:height, :width].astype(np.float32) / 255


def crops_of(held_out: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Divide what is held out into crops of at most `CROP` pixels a side."""
    return [part[y:y2, x:x2] for part in held_out for y, x, y2, x2 in split(part.shape[0], part.shape[1], CROP)]


def as_run(models: Sequence[Model], device: torch.device) -> list[nn.Module]:
    """Return the networks of models, as a `Denoiser` runs them."""
    for model in models:
        model.pool_locally()
    return [model.net.to(device).eval() for model in models]


def run(net: nn.Module, image: np.ndarray, device: torch.device) -> np.ndarray:
    """Run a network on an image, (H, W, 3), float32."""
    with torch.no_grad():
        x = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(device)
        return net(x)[0].permute(1, 2, 0).cpu().numpy()


def gain(errors: np.ndarray) -> tuple[int, float, float]:
    """By how much the second network's mean squared error is lower, from `risks` of several crops.

    Differences only: from each error the noise's energy is subtracted, so under strong noise it is itself inexact.

    Returns:
        Number of crops that tell, the gain, and its standard error, for values from 0 to 255.
    """
    known = 255**2 * (errors[0, :, 0] - errors[0, :, 1])
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return len(known), 0.0, 0.0
    return len(known), float(known.mean()), float(known.std(ddof=1) / len(known) ** 0.5)


def is_better(errors: np.ndarray) -> bool:
    """Tell whether the second network is clearly better than the first, from `risks` of several crops."""
    count, mean, standard_error = gain(errors)
    # The factor is about Student's t at 95 %. With two or three crops, worse models were kept by chance.
    is_sure = count >= max(FEWEST, errors.shape[1] / 2) and mean > (2 + 3 / (count - 1)) * standard_error
    return is_sure and gain(errors[1:])[1] > 0
