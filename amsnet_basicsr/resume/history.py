"""What an experiment has saved, in order: `training_states/history.json` lists the files of each checkpoint by hash.

The newest checkpoint is the last in the list, not the one of the largest iteration: resuming from an
earlier one abandons the later ones. Experiments of earlier versions have no such file.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from amsnet_basicsr.utils.atomic_write import atomic_write

_NAME = 'history.json'


@dataclass(frozen=True)
class Checkpoint:
    """A training state and the weights that belong to it: SHA-256 by path within the experiment."""

    iteration: int
    files: dict[str, str]


def read_history(folder: Path) -> list[Checkpoint]:
    """Read what an experiment has saved from its `training_states`; empty if the list is missing or damaged."""
    try:
        listed = json.loads((folder / _NAME).read_bytes())
        return [Checkpoint(int(one['iteration']), {**one['files']}) for one in listed]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def add_checkpoint(state: Path, weights: Iterable[Path]) -> None:
    """Add the checkpoint that was just written; if the list cannot be written (`OSError`), it does not count."""
    checkpoint = Checkpoint(int(state.stem), {key_of(path): sha256(path) for path in (state, *sorted(weights))})
    others = [one for one in read_history(state.parent) if one.iteration != checkpoint.iteration]
    _write(state.parent, [*others, checkpoint])


def forget_later(state: Path) -> None:
    """Leave behind what was saved after a checkpoint, as the training resumes from that one."""
    history = read_history(state.parent)
    kept = next((place for place, one in enumerate(history, 1) if f'{one.iteration}.state' == state.name), len(history))
    if kept < len(history):
        _write(state.parent, history[:kept])


def key_of(path: Path) -> str:
    """Name a file within its experiment, such as `models/net_g_9.pth`."""
    return f'{path.parent.name}/{path.name}'


def sha256(path: Path) -> str:
    """Hash a file."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _write(folder: Path, history: list[Checkpoint]) -> None:
    with atomic_write(folder / _NAME, sync=True) as file:
        file.write(json.dumps([vars(one) for one in history], indent=1).encode())
