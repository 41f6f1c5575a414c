"""Kinds of noise that a denoiser for all cameras must know, each added to a clean image with values from 0 to 255.

Every function takes an image (H, W, 3), float32, and a generator, and returns the noisy image, not clipped. `KINDS` has
them by name.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from amsnet_basicsr.simulation.jpeg import jpeg_and_back

NoiseKind = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _log_uniform(low: float, high: float, generator: np.random.Generator) -> float:
    return float(low * (high / low) ** generator.random())


def _normal(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    return generator.standard_normal(shape, dtype=np.float32)


def white(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """White Gaussian noise, independent in the channels, of 0.5 to 50 levels."""
    return image + _log_uniform(0.5, 50, generator) * _normal(image.shape, generator)


def grey(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """White Gaussian noise that is the same in the three channels, of 0.5 to 50 levels."""
    return image + _log_uniform(0.5, 50, generator) * _normal((*image.shape[:2], 1), generator)


def poisson(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Shot noise of 5 to 2000 electrons at white, and read noise; half of the time the same in the channels."""
    electrons = _log_uniform(5, 2000, generator)
    shared = generator.random() < 0.3
    signal = image.mean(axis=2, keepdims=True) if shared else image
    counts = generator.poisson(signal.clip(0) * (electrons / 255)).astype(np.float32)
    noise = counts * (255 / electrons) - signal.clip(0)
    return image + noise + float(generator.uniform(0, 2)) * _normal(signal.shape, generator)


def grain(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Film grain: correlated over 0.4 to 1.8 pixels, strongest in the mid-tones, partly shared by the channels."""
    size = float(generator.uniform(0.4, 1.8))
    shared = float(generator.uniform(0, 1))
    noise = math.sqrt(shared) * _normal((*image.shape[:2], 1), generator)
    noise = noise + math.sqrt(1 - shared) * _normal(image.shape, generator)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), size))
    tone = image.mean(axis=2, keepdims=True) / 255
    shape = 1 - float(generator.uniform(0, 0.9)) * (2 * tone - 1) ** 2
    return image + _log_uniform(1, 35, generator) * shape * noise / max(float(noise.std()), 1e-6)


def blotches(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Blotches of colour 2 to 12 pixels wide, as cheap denoising leaves them, and fine noise."""
    noise = cv2.GaussianBlur(_normal(image.shape, generator), (0, 0), _log_uniform(2, 12, generator))
    noise = noise - float(generator.uniform(0, 1)) * noise.mean(axis=2, keepdims=True)
    coarse = _log_uniform(0.5, 8, generator) * noise / max(float(noise.std()), 1e-6)
    return image + coarse + _log_uniform(0.5, 20, generator) * _normal(image.shape, generator)


def hot_pixels(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Bright and dead pixels, one in 200 to 20,000, in one channel or all, and weak white noise."""
    noisy = image + _log_uniform(0.3, 10, generator) * _normal(image.shape, generator)
    share = _log_uniform(5e-5, 5e-3, generator)
    where = generator.random(image.shape[:2] if generator.random() < 0.5 else image.shape) < share
    value = np.where(generator.random(where.shape) < 0.8, 255.0, 0.0)
    if where.ndim == 2:
        where, value = where[..., None], value[..., None]
    blend = np.float32(generator.uniform(0.4, 1))
    return np.where(where, (1 - blend) * noisy + blend * value, noisy).astype(np.float32)


def banding(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rows or columns with an offset each, of 0.5 to 15 levels, and white noise."""
    height, width = image.shape[:2]
    channels = 1 if generator.random() < 0.5 else 3
    rows = (
        _normal((height, 1, channels), generator)
        if generator.random() < 0.6
        else _normal((1, width, channels), generator)
    )
    if generator.random() < 0.3:
        rows = cv2.GaussianBlur(rows, (0, 0), float(generator.uniform(0.5, 2))).reshape(rows.shape)
        rows = rows / max(float(rows.std()), 1e-6)
    noisy = image + _log_uniform(0.5, 15, generator) * rows
    return noisy + _log_uniform(0.5, 25, generator) * _normal(image.shape, generator)


def none(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """No noise: what there is must stay."""
    return image


KINDS: dict[str, NoiseKind] = {
    kind.__name__: kind for kind in (white, grey, poisson, grain, blotches, hot_pixels, banding, none)
}
"""Kinds of noise by name."""


def transplant(
    image: np.ndarray, noisy: np.ndarray, denoised: np.ndarray, generator: np.random.Generator, coarse: float = 6.0
) -> np.ndarray:
    """Put the noise of another patch on an image.

    What a denoiser took away lacks coarse noise, some of which the denoiser mistook for the scene. What is missing is
    drawn: white noise, blurred, of the strength and the correlation of channels that the means of 4×4 pixels of the
    residual have.

    Args:
        image: Image to put it on, (H, W, 3), float32 from 0 to 255.
        noisy: Noisy patch of the same size, of similar brightness.
        denoised: What a denoiser made of it.
        generator: Source of the coarse part.
        coarse: Standard deviation in pixels of the blur of what is drawn.

    Returns:
        Noisy image, (H, W, 3), float32.
    """
    residual = noisy - denoised
    residual = residual - residual.mean(axis=(0, 1))
    height, width = (length // 4 * 4 for length in residual.shape[:2])
    means = residual[:height, :width].reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3)).reshape(-1, 3)
    covariance = 16 * np.cov(means.T) + 1e-6 * np.eye(3)  # of white noise with that power at low frequencies
    drawn = _normal(residual.shape, generator) @ np.linalg.cholesky(covariance).T.astype(np.float32)
    return image + residual + cv2.GaussianBlur(drawn, (0, 0), coarse)


def jpeg(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Compress as JPEG of quality 60 to 98 and decode; rounds and clips. Channels are taken as R, G, B."""
    quality, half_colour = int(generator.integers(60, 99)), bool(generator.random() < 0.6)
    return jpeg_and_back(image.round().clip(0, 255).astype(np.uint8), quality, half_colour).astype(np.float32)


def sharpen(image: np.ndarray, radius: float, amount: float) -> np.ndarray:
    """Sharpen as cameras do, by an unsharp mask."""
    return image + amount * (image - cv2.GaussianBlur(image, (0, 0), radius))
