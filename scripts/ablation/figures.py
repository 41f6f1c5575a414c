"""Figures out of the reports of runs; means and errors over seeds."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t

_HEAD = re.compile(r'^\| (?P<set>.+): (?P<images>\d+) images \| PSNR dB \| SSIM \| s/MP \|$')
_ROW = re.compile(r'^\| (?P<what>.+?) \| (?P<psnr>-?\d+\.\d+|-?inf|nan) \| (?P<ssim>-?\d+\.\d+|nan) \| [\d.]* \|$')


@dataclass(frozen=True)
class Figure:
    """One row of a report: mean PSNR in dB and SSIM of a method (`noisy input`, `blur`, a refinement) on a set."""

    set_name: str
    method: str
    psnr: float
    ssim: float


def read_report(text: str) -> list[Figure]:
    """Read the tables of a `report.md`, in their order.

    Raises:
        ValueError: If there are none.
    """
    figures: list[Figure] = []
    set_name = ''
    for line in text.splitlines():
        if head := _HEAD.match(line):
            set_name = head['set']
        elif set_name and (row := _ROW.match(line)):
            # 'AMSNet, no refinement': the method of denoising is in the options
            method = 'blur' if row['what'].startswith('Gaussian blur') else row['what'].split(', ', 1)[-1]
            figures.append(Figure(set_name, method, float(row['psnr']), float(row['ssim'])))
    if not figures:
        raise ValueError('the report holds no table')
    return figures


@dataclass(frozen=True)
class Spread:
    """Mean over `count` seeds and sample standard deviation (None with one seed)."""

    mean: float
    deviation: float | None
    count: int

    @staticmethod
    def of(values: Sequence[float]) -> 'Spread':
        """Compute it from at least one value."""
        return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))

    @property
    def half_interval(self) -> float | None:
        """Half the width of the 95 % confidence interval of the mean, by Student's t; None with one seed."""
        if self.deviation is None:
            return None
        return float(t.ppf(0.975, self.count - 1)) * self.deviation / self.count**0.5
