"""What a fit was asked for and how far it has come: `fit.json` in its work folder."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from amsnet_basicsr.utils.atomic_write import atomic_write

NAME = 'fit.json'
"""The record's name; a folder that has it is a fit's."""
_MADE_BY = 'amsnet-denoise fit'
_FORMAT = 1


class FitError(ValueError):
    """A fit can't be done; the message says why and what to do, in one line."""


@dataclass(frozen=True)
class Settings:
    """What the result depends on, beside the images; None lets the program choose.

    Attributes:
        minutes: Time that all stages may take together, about; ignored if `iterations` is given.
        iterations: Training steps of the teacher; the student takes half of them.
        seed: Seed of all random choices.
        width: Width of the network.
        patch: Side of the patches in pixels.
        patches: Most patches to train on.
        batch: Crops in one training step.
        train_stride: Train stride of the mask scheme.
        test_stride: Stride of the mask scheme while denoising.
        init: File of weights that the teacher starts from, or 'none'.
    """

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


class Record:
    """The record of one work folder, written whole after each change.

    Args:
        folder: The work folder.
        data: What the record holds.
    """

    def __init__(self, folder: Path, data: dict[str, Any]) -> None:
        self.folder = folder
        self._data = data
        self._ticked: float | None = None

    @classmethod
    def read(cls, folder: Path) -> 'Record | None':
        """Read the record of a work folder.

        Args:
            folder: The work folder; it need not exist.

        Returns:
            The record, or None if a fit may begin there: the folder is missing or empty.

        Raises:
            FitError: If the folder holds other things, or its record is damaged.
        """
        if not folder.exists():
            return None
        if not folder.is_dir():
            raise FitError(f'{folder} is a file; name a folder for the fit with -o')
        path = folder / NAME
        if not path.exists():
            if any(folder.iterdir()):
                raise FitError(f'{folder} holds files that are no fit of ours; name a new or an empty folder with -o')
            return None
        try:
            data = json.loads(path.read_bytes())
            ours = data['made_by'] == _MADE_BY and data['format'] == _FORMAT
            ours = ours and all(isinstance(data[key], dict) for key in ('settings', 'stages'))
        except (OSError, ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            raise FitError(f'{path} is damaged or of another version; name a new folder with -o')
        return cls(folder, data)

    @classmethod
    def begin(cls, folder: Path, settings: Settings, images: list[list[Any]]) -> 'Record':
        """Begin a record.

        Args:
            folder: The work folder, which exists.
            settings: What was asked for.
            images: Path and bytes of each image.

        Returns:
            The record, written.
        """
        data = {'made_by': _MADE_BY, 'format': _FORMAT, 'settings': asdict(settings), 'photos': images, 'stages': {}}
        record = cls(folder, data)
        record._write()
        return record

    @property
    def settings(self) -> Settings:
        """What was asked for."""
        known = {field.name for field in fields(Settings)}
        return Settings(**{name: value for name, value in self._data['settings'].items() if name in known})

    @property
    def photos(self) -> list[list[Any]]:
        """Path and bytes of each image."""
        return self._data['photos']

    def differences(self, given: Mapping[str, Any]) -> str:
        """Say which options differ from those that the fit began with.

        Args:
            given: Options by the names of `Settings`, without those not given.

        Returns:
            For example `--width 32 instead of 16`; empty if none does.
        """
        found = asdict(self.settings)

        def shown(value: Any) -> Any:
            return 'left out' if value is None else value

        return ', '.join(
            f'--{name.replace("_", "-")} {shown(value)} instead of {shown(found[name])}'
            for name, value in given.items()
            if found[name] != value
        )

    def facts(self, stage: str) -> dict[str, Any]:
        """What is recorded of a stage: `done`, `seconds` and what it found; empty before it began."""
        return self._data['stages'].get(stage, {})

    def done(self, stage: str) -> bool:
        """Whether a stage is finished."""
        return bool(self.facts(stage).get('done'))

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a stage, and record it as finished if nothing is raised.

        Args:
            name: Name of the stage.

        Yields:
            What is recorded of it, to be filled.
        """
        facts = self._data['stages'].setdefault(name, {'done': False, 'seconds': 0.0, 'runs': 0})
        facts['runs'] += 1
        self._ticked = time.monotonic()
        self._current = facts
        self.tick()
        try:
            yield facts
            facts['done'] = True
        finally:
            self.tick()
            self._ticked = None

    def tick(self) -> None:
        """Add the time since the last tick to the stage in progress, so that little of it is lost by a kill."""
        if self._ticked is None:
            return
        now = time.monotonic()
        self._current['seconds'] = round(self._current['seconds'] + now - self._ticked, 2)
        self._ticked = now
        self._write()

    def _write(self) -> None:
        with atomic_write(self.folder / NAME) as file:
            file.write(json.dumps(self._data, indent=1, ensure_ascii=False).encode())
