"""How far the noise of an image is correlated between pixels, estimated from the noisy image alone.

A camera's noise is independent from pixel to pixel on the sensor, and no longer so in the image: demosaicing,
denoising and compression spread it. AMSNet trains on every s-th pixel, and s must be large enough for the noise of
those to be independent again.

Where an image is flat its spectrum is that of the noise. The flattest small patches are taken; at each frequency the
median over them is left alone by the patches that are not so flat after all; the lowest frequencies, where scenes
dominate, are left out; and the autocorrelation that fits what remains, and reaches no further than `MAX_LAG`, is the
estimate. What window and detrending do to the spectrum is part of the fit, so white noise gives zero at every lag.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

MAX_LAG = 6
"""Farthest lag that is estimated, in pixels."""
THRESHOLD = 0.008
"""Correlation up to which noise counts as independent.

The noise of SIDD's validation patches (noisy minus clean) has .021 at lag 4 and .004 at lag 5, and 5 is the paper's
stride for it.
"""
MIN_PATCHES = 12
"""Fewer flat patches give no estimate."""
SIZE = 32
"""Side of a patch."""

_CANDIDATES = 2048  # patches that are looked at in one image: bounds memory and time
_FLATTEST = 0.3  # share of the patches of equal brightness that is used
_CLIPPED = 0.01  # share of pixels within 1 % of black or white from which on a patch is left out
_LOWEST = 0.1  # cycles per pixel; scenes have most of their power below
_REST = 0.05  # correlation at the farthest lags from which on texture is to be suspected


@dataclass(frozen=True)
class NoiseCorrelation:
    """Autocorrelation of noise.

    Attributes:
        sigma: Standard deviation of the noise in the flat patches, for each channel, in units of the image range.
        patches: Number of patches used.
        explained: Share of the variance in the patches that correlation up to `MAX_LAG` accounts for; less than 1 where
            there is texture, or noise that reaches farther, such as bands.
        every: Correlation at all lags down and to the right, -`MAX_LAG` to `MAX_LAG`, (channels, 13, 13).
    """

    sigma: np.ndarray
    patches: int
    explained: float
    every: np.ndarray

    @property
    def horizontal(self) -> np.ndarray:
        """Correlation between pixels 0 to `MAX_LAG` apart in a row, (channels, MAX_LAG + 1); 1 at lag 0."""
        return self.every[:, MAX_LAG, MAX_LAG:]

    @property
    def vertical(self) -> np.ndarray:
        """The same in a column."""
        return self.every[:, MAX_LAG:, MAX_LAG]

    @property
    def mean(self) -> np.ndarray:
        """Mean over both directions and the channels, (MAX_LAG + 1,)."""
        return (self.horizontal + self.vertical).mean(axis=0) / 2

    @property
    def doubtful(self) -> bool:
        """Whether the farthest lags are so correlated that texture of the scene must have been taken for noise."""
        return bool(self.mean[-2:].max() > _REST)


@dataclass(frozen=True)
class NoiseSpectra:
    """What the estimate needs of one image.

    Attributes:
        power: Power spectra of its flat patches, each of mean 1, (patches, channels, 32, 32).
        covariance: Covariances of their channels in units of the image range, (patches, channels, channels).
        brightness: Their means, (patches, channels).
        corner: Row and column of their top left pixels, (patches, 2).
    """

    power: np.ndarray
    covariance: np.ndarray
    brightness: np.ndarray
    corner: np.ndarray


def estimate_noise_correlation(image: np.ndarray) -> NoiseCorrelation:
    """Estimate the autocorrelation of the noise of one image.

    Needs flat places, as sky, walls and what is out of focus; half of 512×512 pixels will do. On texture as strong as
    the noise the estimate comes out too high.

    Args:
        image: Noisy image, (H, W), (H, W, 1) or (H, W, 3), uint8, uint16, or float in [0, 1].

    Returns:
        The estimate.

    Raises:
        ValueError: If the image has less than `MIN_PATCHES` patches that are flat, not clipped, and noisy.
    """
    return combine_spectra([noise_spectra(image)])


def recommend_stride(correlation: NoiseCorrelation | Sequence[float], threshold: float = THRESHOLD) -> int:
    """Choose the train stride: the smallest distance at which, and one pixel farther, noise is independent.

    What is left of the scene in the estimate shows most at short lags: up to .05, .02, .01 on images with white
    noise. So more is allowed before lag 4: `threshold` times (4 / lag)^1.5, which is .064, .023 and .012.

    Args:
        correlation: The estimate, or correlations at lags 0, 1, 2, ….
        threshold: Largest correlation that counts as independent from lag 4 on.

    Returns:
        The stride: 1 for white noise, 5 for the smartphones of SIDD, at most the farthest lag.
    """
    values = np.abs(correlation.mean if isinstance(correlation, NoiseCorrelation) else np.asarray(correlation))
    last = len(values) - 1
    independent = [True] + [values[lag] <= threshold * max(1, 4 / lag) ** 1.5 for lag in range(1, last + 1)]
    return next((lag for lag in range(1, last) if independent[lag] and independent[lag + 1]), last)


def noise_spectra(image: np.ndarray, limit: int = 256) -> NoiseSpectra:
    """Take the spectra of the flattest patches of an image.

    Args:
        image: As for `estimate_noise_correlation`.
        limit: Use so many patches at most, evenly chosen; each takes 6 kB with three channels.

    Returns:
        The spectra; none if the image is too small or has no flat patch.
    """
    scale = np.iinfo(image.dtype).max if image.dtype.kind == 'u' else 1
    step = 0 if image.dtype.kind == 'f' else 1 / scale
    patches, corner = _candidates(image)
    patches = patches / np.float32(scale)
    clipped = ((patches <= 0.01) | (patches >= 0.99)).mean(axis=(2, 3)).max(axis=1) > _CLIPPED
    patches, corner = patches[~clipped], corner[~clipped]
    brightness = patches.mean(axis=(2, 3))
    patches = _detrend(patches)
    variance = patches.var(axis=(2, 3))
    # Where rounding is as strong as the noise, its correlation is not to be seen; without any noise there is nothing.
    noisy = (variance > max((0.6 * step) ** 2, 1e-14)).all(axis=1)
    patches, variance, brightness, corner = patches[noisy], variance[noisy], brightness[noisy], corner[noisy]
    chosen = _flattest(variance.mean(axis=1), brightness.mean(axis=1))
    chosen = chosen[:: max(1, -(-len(chosen) // limit))]
    power = np.abs(np.fft.fft2(patches[chosen] * _window())) ** 2 / SIZE**2
    flat = patches[chosen].reshape(len(chosen), patches.shape[1], SIZE**2)
    covariance = flat @ flat.transpose(0, 2, 1) / SIZE**2
    power = (power / variance[chosen, :, None, None]).astype(np.float16)
    return NoiseSpectra(power, covariance, brightness[chosen], corner[chosen])


def combine_spectra(spectra: Iterable[NoiseSpectra]) -> NoiseCorrelation:
    """Estimate the autocorrelation that the noise of several images has in common.

    Args:
        spectra: One for each image; all of the same number of channels.

    Returns:
        The estimate.

    Raises:
        ValueError: If there are less than `MIN_PATCHES` patches in all.
    """
    spectra = [of_one for of_one in spectra if len(of_one.power)]
    count = sum(len(of_one.power) for of_one in spectra)
    if count < MIN_PATCHES:
        raise ValueError(f'{count} flat patches of {SIZE}×{SIZE} pixels, too few to see the noise ({MIN_PATCHES})')
    # The power at one frequency is exponentially distributed, so its median is ln 2 of its mean.
    power = (
        np.concatenate([of_one.power[:, channel] for of_one in spectra])  # one by one, as they take much memory
        for channel in range(spectra[0].power.shape[1])
    )
    covariance = np.stack([_fit(np.median(of_all.astype(np.float32), axis=0) / np.log(2), count) for of_all in power])
    variance = np.median(np.concatenate([of_one.covariance for of_one in spectra]), axis=0).diagonal()
    explained = covariance[:, MAX_LAG, MAX_LAG]
    return NoiseCorrelation(np.sqrt(variance), count, float(explained.mean()), covariance / explained[:, None, None])


def _candidates(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Patches all over the image, overlapping by half unless that are too many, (n, C, 32, 32); and their corners."""
    image = image.reshape(*image.shape[:2], -1)
    if min(image.shape[:2]) < SIZE:
        return np.zeros((0, image.shape[2], SIZE, SIZE), image.dtype), np.zeros((0, 2), int)
    step = max(SIZE // 2, int(np.ceil(np.sqrt(image.shape[0] * image.shape[1] / _CANDIDATES))))
    windows = np.lib.stride_tricks.sliding_window_view(image, (SIZE, SIZE), axis=(0, 1))[::step, ::step]
    corner = step * np.stack(np.divmod(np.arange(windows.shape[0] * windows.shape[1]), windows.shape[1]), axis=1)
    return windows.reshape(-1, *windows.shape[2:]), corner


def _detrend(patches: np.ndarray) -> np.ndarray:
    """Subtract from each patch the plane that fits it."""
    ramp = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    ramp /= np.sqrt((ramp**2).sum() * SIZE)
    patches = patches - patches.mean(axis=(2, 3), keepdims=True)
    for direction in (np.tile(ramp, (SIZE, 1)), np.tile(ramp[:, None], (1, SIZE))):
        patches = patches - (patches * direction).sum(axis=(2, 3), keepdims=True) * direction
    return patches


def _flattest(variance: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Choose patches: the flattest of each brightness, as noise depends on it."""
    groups = np.array_split(np.argsort(brightness, kind='stable'), max(1, min(8, len(variance) // 16)))
    chosen = []
    for group in groups:
        group = group[np.argsort(variance[group], kind='stable')]
        # To choose among equally flat patches would favour those whose noise happens to be weak at low frequencies.
        alike = variance[group] <= 1.3 * variance[group[len(group) // 10 : len(group) // 10 + 1]]
        chosen.append(group[: max(round(_FLATTEST * len(group)), np.count_nonzero(alike))])
    return np.concatenate(chosen)


@lru_cache(maxsize=1)
def _window() -> np.ndarray:
    """Hann window of mean square 1, (32, 32)."""
    window = np.hanning(SIZE + 2)[1:-1].astype(np.float32)
    window = np.outer(window, window)
    return window / np.sqrt((window**2).mean())


@lru_cache(maxsize=1)
def _model() -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """The expected spectrum as a linear function of the autocovariance.

    Returns:
        Which frequencies are used, (32, 32); expected power at those for a covariance of 1 at each lag, (used, lags);
        the lags, of which one of each pair of opposite ones is in the list.
    """
    frequency = np.fft.fftfreq(SIZE)
    rows, columns = np.meshgrid(frequency, frequency, indexing='ij')
    used = np.hypot(rows, columns) >= _LOWEST
    padded = np.fft.rfft2(_window(), s=(2 * SIZE, 2 * SIZE))
    overlap = np.fft.irfft2(np.abs(padded) ** 2) / SIZE**2
    lags = [(y, x) for y in range(MAX_LAG + 1) for x in range(-MAX_LAG, MAX_LAG + 1) if y > 0 or x >= 0]
    design = [
        (1 if lag == (0, 0) else 2) * overlap[lag] * np.cos(2 * np.pi * (rows * lag[0] + columns * lag[1]))[used]
        for lag in lags
    ]
    return used, np.stack(design, axis=1), lags


def _fit(power: np.ndarray, count: int) -> np.ndarray:
    """Fit an autocovariance to a spectrum.

    Args:
        power: The spectrum, (32, 32).
        count: Number of patches it is the median of.

    Returns:
        Covariance at lags -`MAX_LAG` to `MAX_LAG` down and to the right, (2 MAX_LAG + 1, 2 MAX_LAG + 1).
    """
    used, design, lags = _model()
    weight = 1 / np.maximum(power[used], 1e-3 * power.max())  # the error of a spectrum is proportional to it
    # The frequencies left out leave one combination of lags almost free. Noise rarely reaches far, which settles it.
    distance = np.hypot(*np.array(lags).T)
    prior = np.diag(distance**3 / np.sqrt(count))
    matrix = np.concatenate([design * weight[:, None], prior])
    values = np.concatenate([power[used] * weight, np.zeros(len(lags))])
    solution = np.linalg.lstsq(matrix, values, rcond=None)[0]
    covariance = np.zeros((2 * MAX_LAG + 1, 2 * MAX_LAG + 1))
    for (y, x), value in zip(lags, solution, strict=True):
        covariance[MAX_LAG + y, MAX_LAG + x] = covariance[MAX_LAG - y, MAX_LAG - x] = value
    return covariance
