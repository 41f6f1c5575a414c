"""The best networks so far: `net_g_best.pth`, and a record that outlives a restart."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from amsnet_basicsr.resume.states import is_intact
from amsnet_basicsr.utils.atomic_write import atomic_write


@dataclass(frozen=True)
class Best:
    """What the best networks reached.

    Attributes:
        metric: Name of the metric that decides.
        dataset: Name of the set it was measured on.
        value: The metric.
        iteration: When.
    """

    metric: str
    dataset: str
    value: float
    iteration: int | str

    def write(self, path: Path) -> None:
        """Write the record.

        Raises:
            OSError: If it cannot be written.
        """
        with atomic_write(path, sync=True) as file:
            file.write(json.dumps(asdict(self)).encode())


def read_best(path: Path, warn: Callable[[str], None]) -> Best | None:
    """Read the record; None if there is none, or if it or the weights beside it are damaged.

    Args:
        path: The record, `net_g_best.json`.
        warn: Told about damage.
    """
    if not path.exists():
        return None
    weights = path.with_suffix('.pth')
    try:
        best = Best(**json.loads(path.read_bytes()))
        sound = isinstance(best.metric, str) and isinstance(best.dataset, str) and not math.isnan(best.value)
    except (OSError, ValueError, TypeError):
        sound = False
    for file, good in ((path, sound), (weights, sound and is_intact(weights))):
        if not good:
            warn(f'{file} is damaged or missing: the next validation rebuilds them')
            return None
    return best


def is_better(value: float, lower: bool, best: Best | None) -> bool:
    """Tell whether a metric improves on the best so far."""
    return best is None or (value < best.value if lower else value > best.value)
