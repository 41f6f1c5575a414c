"""A model of the noise of images, estimated from them alone, that draws more of it."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache

import cv2
import numpy as np

from amsnet_basicsr.prepare.noise_correlation import (
    MAX_LAG,
    SIZE,
    NoiseCorrelation,
    NoiseSpectra,
    combine_spectra,
    noise_spectra,
)

_PATCHES_PER_LEVEL = 16
_MOST_LEVELS = 6
_LEAST = 0.75
"""Share of the variance of flat patches that must be noise of the kind that the model draws, and that the denoiser must
remove. Of faint texture, it removes less: on drawn scenes that are mostly texture, the level is right within a tenth if
only what is removed counts, and up to a fifth too high otherwise.
"""
_VARIES = 0.03  # relative deviation of the level from a smooth function of brightness
_ROUNDS = 40


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Gaussian noise whose level depends on brightness, correlated between pixels and between channels.

    Attributes:
        brightness: Brightnesses at which the level is known, rising, (3, levels), in [0, 1].
        sigma: Standard deviation there, (3, levels).
        spatial: Correlation at lags -6 to 6 down and to the right, (3, 13, 13).
        channels: Correlation between the channels, (3, 3).
    """

    brightness: np.ndarray
    sigma: np.ndarray
    spatial: np.ndarray
    channels: np.ndarray

    def level(self, image: np.ndarray) -> np.ndarray:
        """Standard deviation of the noise at each pixel of a clean image, (H, W, 3) in [0, 1]."""
        levels = [np.interp(image[..., c], self.brightness[c], self.sigma[c]) for c in range(3)]
        return np.stack(levels, axis=-1).astype(np.float32)

    def level_in(self, noisy: np.ndarray) -> np.ndarray:
        """Standard deviation of the noise at each pixel of a noisy image, (H, W, 3) in [0, 1]."""
        return self.level(cv2.GaussianBlur(noisy, (0, 0), 2))

    def draw(self, height: int, width: int, generator: np.random.Generator) -> np.ndarray:
        """Draw noise of unit standard deviation, (H, W, 3), float32."""
        mixing = np.linalg.cholesky(self.channels + 1e-4 * np.eye(3))
        white = generator.standard_normal((height, width, 3), np.float32) @ mixing.T.astype(np.float32)
        transfer = _transfer(self, height, width)
        noise = np.fft.irfft2(np.fft.rfft2(white, axes=(0, 1)) * transfer, s=(height, width), axes=(0, 1))
        return noise.astype(np.float32)


@lru_cache(maxsize=64)
def _transfer(model: NoiseModel, height: int, width: int) -> np.ndarray:
    """Square root of the noise's spectrum of mean 1, (H, W // 2 + 1, 3)."""
    lags = np.arange(-MAX_LAG, MAX_LAG + 1)
    torus = np.zeros((height, width, 3))
    torus[np.ix_(lags % height, lags % width)] = model.spatial.transpose(1, 2, 0)
    # A fitted autocorrelation may have a spectrum that is a little negative somewhere.
    full = np.fft.fft2(torus, axes=(0, 1)).real.clip(0)
    return np.sqrt(full / full.mean(axis=(0, 1)))[:, : width // 2 + 1]


def describe(model: NoiseModel) -> str:
    """Describe noise in one line."""
    sigma = 255 * model.sigma.mean(axis=0)
    rows, columns = (MAX_LAG + 1, MAX_LAG), (MAX_LAG, MAX_LAG + 1)  # of the neighbours below and to the right
    return (
        f'noise of sigma {sigma.min():.1f} to {sigma.max():.1f} of 255, correlation '
        f'{model.spatial[:, rows, columns].mean():.2f} between neighbours and '
        f'{(model.channels.sum() - 3) / 6:.2f} between channels'
    )


def estimate_noise_model(images: Iterable[tuple[np.ndarray, np.ndarray]]) -> NoiseModel:
    """Estimate the noise that images have in common, from their flat patches.

    Patches of texture are left out: at their brightness, others have less noise. These others may be of other images,
    so images with texture all over don't matter beside images without.

    Args:
        images: Noisy images of 8 bits, and what a denoiser made of each: (H, W, 3), float32 in [0, 1].

    Raises:
        ValueError: If there are too few flat patches, or if what is in them may not be noise.
    """
    found: list[NoiseSpectra] = []
    removed: list[float] = []
    for noisy, denoised in images:
        found.append(noise_spectra((255 * noisy).round().astype(np.uint8)))
        residual = noisy - denoised
        removed += [residual[y : y + SIZE, x : x + SIZE].var(axis=(0, 1)).mean() for y, x in found[-1].corner]
    correlation = combine_spectra(found)
    found = [of_one for of_one in found if len(of_one.power)]
    every = NoiseSpectra(*(np.concatenate(part) for part in zip(*map(_parts, found), strict=True)))
    flat = _flat_ones(every, correlation)
    every = NoiseSpectra(*(part[flat] for part in _parts(every)))
    correlation = combine_spectra([every])
    if correlation.explained < _LEAST:
        raise ValueError(f'noise that reaches farther than {MAX_LAG} pixels, such as bands, or texture is everywhere')
    covariance, brightness = every.covariance, every.brightness
    scale = np.sqrt(np.einsum('pcc->pc', covariance))
    share = np.median(np.array(removed)[flat] / (scale**2).mean(axis=1)).clip(max=1)
    if share < _LEAST:
        raise ValueError('texture is everywhere, or noise that the shipped model does not know')
    channels = np.median(covariance / (scale[:, :, None] * scale[:, None, :]), axis=0)
    levels = min(_MOST_LEVELS, max(1, len(brightness) // _PATCHES_PER_LEVEL))
    points = np.empty((2, 3, levels))
    for c in range(3):
        for level, group in enumerate(np.array_split(np.argsort(brightness[:, c]), levels)):
            points[:, c, level] = np.median(brightness[group, c]), np.median(scale[group, c])
    return NoiseModel(points[0], points[1] * np.sqrt(share), correlation.every, _positive(channels))


def _parts(spectra: NoiseSpectra) -> tuple[np.ndarray, ...]:
    return tuple(getattr(spectra, field.name) for field in fields(spectra))


def _flat_ones(patches: NoiseSpectra, correlation: NoiseCorrelation) -> np.ndarray:
    """Mark the patches that have no more noise than others of their brightness, except by chance, (patches,)."""
    level = np.log(np.einsum('pcc->pc', patches.covariance)).mean(axis=1) / 2
    design = np.vander(patches.brightness.mean(axis=1), 3)
    # The more the noise is correlated, the fewer pixels are independent, and the more its level varies by chance.
    independent = patches.power.shape[-1] ** 2 / (correlation.every**2).sum(axis=(1, 2)).mean()
    tolerance = 2 * np.hypot(_VARIES, (2 * independent) ** -0.5)
    flat = np.ones(len(level), bool)
    for _ in range(_ROUNDS):  # each drops the patches above the fit of the last
        fitted = design @ np.linalg.lstsq(design[flat], level[flat], rcond=None)[0]
        flat = level < fitted + tolerance
    return flat


def _positive(correlation: np.ndarray) -> np.ndarray:
    """Make a matrix of medians a correlation matrix again: no negative eigenvalues, ones on the diagonal."""
    values, vectors = np.linalg.eigh(correlation)
    made = (vectors * values.clip(1e-3)) @ vectors.T
    scale = np.sqrt(np.diag(made))
    return made / np.outer(scale, scale)
