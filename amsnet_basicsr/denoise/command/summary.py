"""The summary of a run, in words and as JSON."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amsnet_basicsr.denoise.command.console import PROGRAM
from amsnet_basicsr.images import ImageData
from amsnet_basicsr.version import __version__

_STATUSES = 'denoised', 'skipped', 'failed'


@dataclass
class Outcome:
    """What became of an input.

    Attributes:
        input: The image, or the name on the command line that stands for none.
        status: 'denoised', 'skipped' or 'failed'.
        output: The file written, or found where it was skipped.
        compare: The image to compare, if one was written.
        error: Why it failed.
        notes: What the output could not keep.
        width: In pixels, upright.
        height: In pixels.
        channels: 1 or 3, alpha not counted.
        bits: Bits a channel of the input.
        noise_level: Estimated standard deviation of its noise, in levels of 255; with strength 'auto' only.
        computed_in: Number format that the network computed in.
        megapixels: Size of what was denoised: the image, or the crop of a preview.
        seconds: For reading, denoising and writing.
    """

    input: str
    status: str
    output: str | None = None
    compare: str | None = None
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    width: int | None = None
    height: int | None = None
    channels: int | None = None
    bits: int | None = None
    noise_level: float | None = None
    computed_in: str | None = None
    megapixels: float = 0.0
    seconds: float = 0.0

    def describe(self, image: ImageData, crop: tuple[int, int, int, int] | None) -> None:
        """Set what there is to say of an image, of which `crop` (left, top, width, height) or all is denoised."""
        height, width, self.channels = image.pixels.shape
        self.height, self.width, self.bits = height, width, image.bits
        x, y, w, h = crop or (0, 0, width, height)
        self.megapixels = max(0, min(w, width - x)) * max(0, min(h, height - y)) / 1e6


@dataclass
class Summary:
    """What a run did so far.

    Attributes:
        images: How many inputs there are.
        passed_over: Counts the files of folders and patterns that were not read, by suffix.
        outcomes: What became of each input that was tried.
        interrupted: Whether the user stopped it.
        gallery_failed: Whether the gallery could not be written.
        start: When it began, by the monotonic clock.
    """

    images: int
    passed_over: Mapping[str, int]
    outcomes: list[Outcome]
    interrupted: bool = False
    gallery_failed: bool = False
    start: float = field(default_factory=time.monotonic)

    @property
    def exit_status(self) -> int:
        """0 if all succeeded, 1 if something failed, 130 after an interruption."""
        return 130 if self.interrupted else int(bool(self._of('failed')) or self.gallery_failed)

    def text(self) -> str:
        """Summarise the run in one line."""
        done, skipped, failed = map(self._of, _STATUSES)
        megapixels, seconds = sum(one.megapixels for one in done), sum(one.seconds for one in done)
        parts = [f'{len(done)} denoised']
        if done:
            parts[0] += f' ({megapixels:.2f} MP in {seconds:.1f} s, {megapixels / max(seconds, 1e-9):.2f} MP/s)'
        if levels := [one.noise_level for one in done if one.noise_level is not None]:
            parts[0] += f', noise {min(levels):.1f}' + (f' to {max(levels):.1f}' if len(levels) > 1 else '') + ' of 255'
        if skipped:
            parts.append(f'{len(skipped)} skipped, as the output exists (--overwrite replaces it)')
        if failed:
            parts.append(f'{len(failed)} failed')
        if waiting := self.images - len(self.outcomes):
            parts.append(f'{waiting} not begun')
        return ('Interrupted: ' if self.interrupted else '') + ', '.join(parts)

    def json(self, model: dict[str, Any] | None, settings: dict[str, Any]) -> str:
        """Return the run as JSON, with the model (None if none was loaded) and the settings."""
        counts = {status: len(self._of(status)) for status in _STATUSES}
        content = {
            'program': PROGRAM,
            'version': __version__,
            'exit_status': self.exit_status,
            'interrupted': self.interrupted,
            'counts': {'inputs': self.images, **counts, 'not_begun': self.images - len(self.outcomes)},
            'passed_over': dict(self.passed_over),
            'seconds': round(time.monotonic() - self.start, 3),
            'megapixels': round(sum(one.megapixels for one in self._of('denoised')), 6),
            'model': model,
            'settings': settings,
            'files': [{**vars(outcome), 'seconds': round(outcome.seconds, 3)} for outcome in self.outcomes],
        }
        return json.dumps(content, indent=2, default=str)

    def _of(self, status: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.status == status]


def is_summary(path: Path) -> bool:
    """Tell whether an existing file is the summary of an earlier run, which may be replaced."""
    if not os.path.isfile(path):  # reading a pipe would block
        return False
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get('program') == PROGRAM
