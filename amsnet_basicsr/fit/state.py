"""Settings and progress of a fit: `fit.json` in its work folder."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError

NAME = 'fit.json'
"""The record's name; a folder that has it is a fit's."""
SMALLEST = 64
"""Least side of a patch, and so of an image, in pixels."""
_HEAD = {'made_by': 'amsnet-denoise fit', 'format': 2}


@dataclass(frozen=True)
class Settings:
    """The command's options that the result depends on; None is chosen by the program."""

    minutes: float = 15.0
    iterations: int | None = None
    seed: int = 0
    width: int = 16
    patch: int = 256
    patches: int = 1000
    batch: int | None = None
    train_stride: int | None = None
    test_stride: int | None = None
    init: str | None = None


class Fit:
    """A fit: its work folder, settings, and record, which is written after each change.

    Attributes:
        folder: The work folder.
        settings: The settings it began with.
        images: Bytes of each image by its path, None for a link to nothing.
        device: PyTorch's device of this run; it changes the result by rounding only.
        workers: Processes that read images in this run.
    """

    def __init__(self, folder: Path, data: dict[str, Any]) -> None:
        self.folder = folder
        self.settings = Settings(**data['settings'])
        self.images: dict[str, int | None] = dict(data['images'])
        self.device: Any = None
        self.workers = 0
        self._data = data
        self._timed: tuple[dict[str, Any], float] | None = None  # the stage in progress, and when it would have begun

    @classmethod
    def read(cls, folder: Path) -> 'Fit | None':
        """Read the record of a work folder; None if a fit may begin there, as it is missing or empty.

        Raises:
            UserError: If the folder holds other things, or its record is damaged.
        """
        if not folder.exists():
            return None
        if not folder.is_dir():
            raise UserError(f'{folder} is a file; name a folder for the fit with -o')
        path = folder / NAME
        if not path.exists():
            if any(folder.iterdir()):
                raise UserError(f'{folder} holds files that are not from a fit; name a new or an empty folder with -o')
            return None
        try:
            data = json.loads(path.read_bytes())
            if {name: data[name] for name in _HEAD} == _HEAD and isinstance(data['stages'], dict):
                return cls(folder, data)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise UserError(f'{path} is damaged or of another version; name a new folder with -o')

    @classmethod
    def begin(cls, folder: Path, settings: Settings, images: dict[str, int | None]) -> 'Fit':
        """Write the record of a new fit in a folder that exists."""
        fit = cls(folder, {**_HEAD, 'settings': asdict(settings), 'images': [*images.items()], 'stages': {}})
        fit.save()
        return fit

    def facts(self, stage: str) -> dict[str, Any]:
        """Record of a stage: `done`, `seconds` and its results; empty before it began."""
        return self._data['stages'].get(stage, {})

    def done(self, stage: str) -> bool:
        """Whether a stage is finished."""
        return bool(self.facts(stage).get('done'))

    @property
    def seconds(self) -> dict[str, float]:
        """What each stage took."""
        return {name: facts['seconds'] for name, facts in self._data['stages'].items()}

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a stage, and record it as finished if nothing is raised; yields its facts, to be filled."""
        facts = self._data['stages'].setdefault(name, {'done': False, 'seconds': 0.0, 'runs': 0})
        facts['runs'] += 1
        self._timed = facts, time.monotonic() - facts['seconds']
        self.save()
        try:
            yield facts
            facts['done'] = True
        finally:
            self.save()
            self._timed = None

    def save(self) -> None:
        """Write the record, with the time that the stage in progress has taken: a kill loses little of it."""
        if self._timed is not None:
            facts, began = self._timed
            facts['seconds'] = round(time.monotonic() - began, 2)
        with atomic_write(self.folder / NAME) as file:
            file.write(json.dumps(self._data, indent=1).encode())


def choose_device(name: str) -> Any:
    """Choose PyTorch's device for 'auto', 'cpu' or 'cuda'."""
    import torch

    gpu = name != 'cpu' and torch.cuda.is_available()
    if name == 'cuda' and not gpu:
        raise UserError('--device cuda: PyTorch sees no such GPU here; --device cpu does without')
    return torch.device('cuda' if gpu else 'cpu')
