"""What the runs of an ablation gave: reading their reports, means and errors."""

import json
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scipy.stats import t

from amsnet_basicsr.utils.atomic_write import atomic_write

_HEAD = re.compile(r'^\| (?P<set>.+): (?P<images>\d+) images \| PSNR dB \| SSIM \| s/MP \|$')
_ROW = re.compile(r'^\| (?P<what>.+?) \| (?P<psnr>-?\d+\.\d+|-?inf|nan) \| (?P<ssim>-?\d+\.\d+|nan) \| [\d.]* \|$')


@dataclass(frozen=True)
class Figure:
    """One row of a report.

    Attributes:
        set_name: The data set.
        method: `noisy input`, `blur`, `no refinement`, or the refinement with its settings.
        psnr: Mean PSNR over the images, dB, two decimals.
        ssim: Mean SSIM, four decimals.
    """

    set_name: str
    method: str
    psnr: float
    ssim: float


def read_report(text: str) -> list[Figure]:
    """Read the tables that `amsnet_basicsr.models.validation.compare` writes.

    Args:
        text: Contents of a `report.md`.

    Returns:
        The figures in the order of the tables.

    Raises:
        ValueError: If it holds no table.
    """
    figures: list[Figure] = []
    set_name = ''
    for line in text.splitlines():
        if head := _HEAD.match(line):
            set_name = head['set']
        elif set_name and (row := _ROW.match(line)):
            what = row['what']
            if what.startswith('Gaussian blur'):
                method = 'blur'
            else:  # 'AMSNet, no refinement': the method of denoising is in the options
                method = what if what == 'noisy input' else what.split(', ', 1)[-1]
            figures.append(Figure(set_name, method, float(row['psnr']), float(row['ssim'])))
    if not figures:
        raise ValueError('the report holds no table')
    return figures


@dataclass
class Record:
    """What is known of one run; a file that stays when its experiment's folder is deleted.

    Attributes:
        setting: Name of the setting.
        seed: The seed.
        options: The options that it began with.
        figures: Its report, once it is finished.
    """

    setting: str
    seed: int
    options: dict[str, Any]
    figures: list[Figure] | None = None

    @staticmethod
    def read(path: Path) -> 'Record | None':
        """Read a record.

        Args:
            path: Its file.

        Returns:
            The record, or None if there is none.

        Raises:
            ValueError: If the file is no record.
        """
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
            figures = content['figures'] and [Figure(**figure) for figure in content['figures']]
            return Record(content['setting'], content['seed'], content['options'], figures)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise ValueError(f'{path} is no record of a run; delete it, and the run is done again') from None

    def write(self, path: Path) -> None:
        """Write it, at once.

        Args:
            path: Its file; the folder is made.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(json.dumps(asdict(self), indent=1).encode())


def difference(old: dict[str, Any], new: dict[str, Any], where: str = '') -> str | None:
    """Find the first option that differs.

    Args:
        old: Options.
        new: Others.
        where: Path of both.

    Returns:
        Its path with dots, or None if all are equal.
    """
    for key in [*old, *(key for key in new if key not in old)]:
        path = f'{where}.{key}' if where else str(key)
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            if found := difference(old[key], new[key], path):
                return found
        elif key not in old or key not in new or old[key] != new[key]:
            return path
    return None


@dataclass(frozen=True)
class Spread:
    """Mean of a figure over the seeds.

    Attributes:
        mean: The mean.
        deviation: Sample standard deviation; None with one seed.
        count: Number of seeds.
    """

    mean: float
    deviation: float | None
    count: int

    @staticmethod
    def of(values: Sequence[float]) -> 'Spread':
        """Compute it.

        Args:
            values: At least one.
        """
        return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))

    @property
    def half_interval(self) -> float | None:
        """Half the width of the 95 % confidence interval of the mean, by Student's t; None with one seed."""
        if self.deviation is None:
            return None
        return float(t.ppf(0.975, self.count - 1)) * self.deviation / self.count**0.5


def pick(records: Iterable[Record], set_name: str, method: str) -> dict[str, dict[int, Figure]]:
    """Sort figures by setting and seed.

    Args:
        records: Finished runs.
        set_name: The data set.
        method: The method.

    Returns:
        For each setting that has any, its figures by seed.
    """
    found: dict[str, dict[int, Figure]] = {}
    for record in records:
        for figure in record.figures or []:
            if (figure.set_name, figure.method) == (set_name, method):
                found.setdefault(record.setting, {})[record.seed] = figure
    return found


def against(figures: dict[int, Figure], reference: dict[int, Figure]) -> Spread | None:
    """Compare two settings seed by seed: what a seed does to both cancels out.

    Args:
        figures: PSNR of one by seed.
        reference: Of the other.

    Returns:
        The differences in PSNR, dB; None if they have no seed in common.
    """
    common = [figures[seed].psnr - reference[seed].psnr for seed in sorted(figures.keys() & reference.keys())]
    return Spread.of(common) if common else None
