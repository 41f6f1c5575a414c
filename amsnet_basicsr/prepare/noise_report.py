"""What the noise of a folder of images is like, in words and plain values."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from amsnet_basicsr.prepare.image_patches import LeftOutError, read_usable
from amsnet_basicsr.prepare.noise_correlation import (
    MAX_LAG,
    NoiseSpectra,
    combine_spectra,
    noise_spectra,
    recommend_stride,
)
from amsnet_basicsr.utils.parallel import ordered_map

USUAL_STRIDE = 5
_ESTIMATED_FROM = 256  # images, evenly chosen, that tell what the noise is like
_SPECTRA = 16384  # flat patches in all: bounds the memory of the estimate to about 300 MB


@dataclass(frozen=True)
class NoiseReport:
    """What the noise is like, in plain values; without a stride there is no estimate, and `why_not`."""

    stride: int | None
    why_not: str = ''
    photos: int = 0
    patches: int = 0
    sigma: tuple[float, ...] = ()  # of red, green and blue in flat patches, of 255
    horizontal: tuple[float, ...] = ()  # correlation at lags 0, 1, 2, …, mean of the channels
    vertical: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    doubtful: bool = False

    def lines(self) -> Iterator[str]:
        """Describe the noise, line by line."""
        if self.stride is None:
            yield f'Noise: no estimate, {self.why_not}; {USUAL_STRIDE} is the usual train stride'
            return
        sigma = '/'.join(f'{value:.1f}' for value in self.sigma)
        yield f'Noise in {self.patches} flat patches of {self.photos} images: sigma {sigma} of 255 (red/green/blue)'
        yield 'Correlation by distance in pixels' + ''.join(f'{lag:>7}' for lag in range(1, MAX_LAG + 1))
        for name in ('horizontal', 'vertical', 'mean'):
            yield f'{name:>33}' + ''.join(f'{value:>7.3f}' for value in getattr(self, name)[1:])
        if self.doubtful:
            yield 'Even the farthest are correlated: the images may have too few flat areas, or no noise in them'
        yield f'Recommended train stride: {self.stride}'


def estimate_noise(paths: Sequence[Path], keep_grey: bool, workers: int | None) -> NoiseReport:
    """Estimate the noise and its correlation from some of the images, evenly chosen."""
    chosen = list(dict.fromkeys(paths[i * len(paths) // _ESTIMATED_FROM] for i in range(_ESTIMATED_FROM)))
    limit = max(16, _SPECTRA // len(chosen))

    def look(path: Path) -> list[NoiseSpectra]:
        try:
            return [noise_spectra(read_usable(path, 32, keep_grey, keep_alpha=False), limit)]
        except LeftOutError:
            return []

    bar = tqdm(ordered_map(look, chosen, workers), 'noise', len(chosen), unit='image', disable=None)
    return report_noise([one for found in bar for one in found])


def report_noise(spectra: Sequence[NoiseSpectra]) -> NoiseReport:
    """Say what the noise of images is like."""
    try:
        correlation = combine_spectra(spectra)
    except ValueError as error:
        return NoiseReport(None, str(error))

    def plain(values: Iterable[float], digits: int = 4) -> tuple[float, ...]:
        return tuple(round(float(value), digits) for value in values)

    return NoiseReport(
        stride=recommend_stride(correlation),
        photos=sum(len(of_one.power) > 0 for of_one in spectra),
        patches=correlation.patches,
        sigma=plain(correlation.sigma * 255, 2),
        horizontal=plain(correlation.horizontal.mean(axis=0)),
        vertical=plain(correlation.vertical.mean(axis=0)),
        mean=plain(correlation.mean),
        doubtful=correlation.doubtful,
    )


def choose_strides(noise: NoiseReport, train: int | None = None, test: int | None = None) -> dict[str, Any]:
    """Choose the strides that are not given from the correlation of the noise; `reason` explains the choice.

    The train stride is the smallest distance at which the noise is independent, 5 where that cannot be estimated; the
    test stride is 2, or 1 for white noise.
    """
    recommended = USUAL_STRIDE if noise.stride is None or noise.doubtful else noise.stride
    figures = ', '.join(f'{value:.2f}' for value in noise.mean[1:6])
    reason = f'noise correlated by {figures} over 1, 2, 3, 4, 5 pixels'
    if noise.stride is None:
        reason = f'not estimated ({noise.why_not}): the usual {USUAL_STRIDE} is taken'
    elif noise.doubtful:
        reason += f', which looks like texture: the usual {USUAL_STRIDE} is taken'
    given = [f'{name} stride {value}' for name, value in (('train', train), ('test', test)) if value is not None]
    if given:
        reason = f'{" and ".join(given)} as given; {reason}'
    return {'train_stride': train or recommended, 'test_stride': test or min(recommended, 2), 'reason': reason}
