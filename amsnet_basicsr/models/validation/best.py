"""The best networks so far: `net_g_best.pth`, and a record that outlives a restart."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from amsnet_basicsr.options.blocks.training import SaveBest
from amsnet_basicsr.resume.states import is_intact
from amsnet_basicsr.utils.atomic_write import atomic_write


class Best(NamedTuple):
    """What the best networks reached, by which metric, on which set, and when."""

    metric: str
    dataset: str
    value: float
    iteration: int | str

    def write(self, path: Path) -> None:
        """Write the record."""
        with atomic_write(path, sync=True) as file:
            file.write(json.dumps(self._asdict()).encode())


def is_new_best(found: Best, choice: SaveBest, lower: bool, path: Path, warn: Callable[[str], None]) -> bool:
    """Tell whether networks are the best so far, by what the options choose.

    Args:
        found: What they reach.
        choice: Which metric decides, on which set; without a named set, the first that has the metric decides.
        lower: Whether lower is better.
        path: The record of the best so far, `net_g_best.json`.
        warn: Told about damage.
    """
    best = _read(path, warn)
    if best and (best.metric != choice.metric or best.dataset != (choice.dataset or best.dataset)):
        best = None  # another choice than before
    if found.dataset != (choice.dataset or (best.dataset if best else found.dataset)):
        return False
    return best is None or (found.value < best.value if lower else found.value > best.value)


def _read(path: Path, warn: Callable[[str], None]) -> Best | None:
    """Read the record; None if there is none, or if it or the weights beside it are damaged."""
    if not path.exists():
        return None
    weights = path.with_suffix('.pth')
    try:
        best = Best(**json.loads(path.read_bytes()))
        sound = isinstance(best.metric, str) and isinstance(best.dataset, str) and not math.isnan(best.value)
    except (OSError, ValueError, TypeError):
        sound = False
    if sound and is_intact(weights):
        return best
    warn(f'{weights if sound else path} is damaged or missing: the next validation rebuilds them')
    return None
