"""Denoise images one after the other; what is wrong with one doesn't stop the rest."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from amsnet_basicsr.denoise.allocator import release_freed_memory
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.denoise.command.outputs import Job
from amsnet_basicsr.denoise.command.preview import Crop, preview
from amsnet_basicsr.denoise.command.summary import Outcome
from amsnet_basicsr.denoise.gallery.compare import compare_image
from amsnet_basicsr.images import ImageData, ImageError, read_image, stretch, unstretch, used_bits, write_image
from amsnet_basicsr.utils.stop_signal import Interruption

if TYPE_CHECKING:
    from amsnet_basicsr.denoise.denoiser import Denoiser

Show = Callable[[Job, ImageData, ImageData, Outcome], None]
"""Takes a job, its noisy and its denoised image, and the outcome so far."""


@dataclass(frozen=True)
class Settings:
    """How images are denoised and written.

    Attributes:
        blend: The denoiser's `strength`, `luma`, `chroma` and `grain`.
        quality: Of JPEG, WebP and AVIF, 1 to 100.
        overwrite: Whether existing outputs are replaced.
        preview: The part to show at several strengths instead of denoising the image.
    """

    blend: dict[str, Any] = field(default_factory=dict)
    quality: int = 95
    overwrite: bool = False
    preview: Crop | None = None


class Batch:
    """Denoises images one by one; one is in memory at a time, noisy and denoised.

    Args:
        settings: How to denoise and write.
        console: Told of everything.
        outcomes: Where each job's outcome is appended, so that an interruption keeps those so far.
        show: Called after each success.
        show_existing: Whether it is called for existing outputs too, which are read, not made again.
    """

    def __init__(
        self,
        settings: Settings,
        console: Console,
        outcomes: list[Outcome],
        show: Show | None = None,
        show_existing: bool = False,
    ) -> None:
        self._settings, self._console, self._outcomes = settings, console, outcomes
        self._show, self._show_existing = show, show_existing
        self._told = Counter[str]()

    def run(self, jobs: Sequence[Job], load: 'Callable[[], Denoiser]') -> None:
        """Do the jobs; `load` makes the denoiser and is called only if an image needs it."""
        left = []
        for job in jobs:
            compare = job.compare is not None and not os.path.lexists(job.compare)
            if job.done and not compare and not self._show_existing:
                self._outcomes.append(Outcome(str(job.source), 'skipped', str(job.output)))
            else:
                left.append(job)
        denoiser = None if all(job.done for job in left) else load()
        if left:
            self._console.begin(len(left))
        try:
            with Interruption() as interruption:
                for job in left:
                    interruption.check()
                    self._do(job, denoiser, interruption)
        finally:
            for note, count in self._told.items():
                if count > 1:
                    self._console.note(f'{count - 1} more: {note}')

    def _do(self, job: Job, denoiser: 'Denoiser | None', interruption: Interruption) -> None:
        start = time.monotonic()
        outcome = Outcome(str(job.source), 'failed')
        try:
            image = read_image(job.source)
            outcome.height, outcome.width, outcome.channels = image.pixels.shape
            outcome.bits = image.bits
            exists = job.done or (not self._settings.overwrite and os.path.isfile(job.output))
            if exists or denoiser is None:
                denoised = _existing(job, image) if self._settings.preview is None else None
            else:
                denoised = self._denoise(job, image, denoiser, interruption, outcome)
            outcome.output = str(job.output)
            outcome.status = 'skipped' if exists or denoised is None else 'denoised'
            outcome.seconds = time.monotonic() - start
            if denoised is not None and self._settings.preview is None:
                self._compare(job, image, denoised, outcome)
                if self._show is not None and (self._show_existing or not exists):
                    self._show(job, image, denoised, outcome)
        except Exception as error:
            outcome.status, outcome.error = 'failed', _line(error, job)
            self._console.error(outcome.error)
        release_freed_memory()
        outcome.seconds = time.monotonic() - start
        self._outcomes.append(outcome)
        self._tell(outcome)

    def _denoise(
        self, job: Job, image: ImageData, denoiser: 'Denoiser', interruption: Interruption, outcome: Outcome
    ) -> ImageData | None:
        """Denoise and write an image; None if another process has written the output meanwhile."""
        settings = self._settings
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(f'{job.output}: its folder cannot be made: {error.strerror or error}') from None

        def progress(done: int, every: int) -> None:
            interruption.check()
            self._console.progress(done / every, outcome.megapixels)

        if settings.preview is not None:
            denoised = preview(image, settings.preview, denoiser, settings.blend, str(job.source), progress)
        else:
            bits = used_bits(image.pixels)
            result = denoiser(stretch(image.pixels, bits), progress=progress, **settings.blend)
            denoised = image.with_pixels(unstretch(np.asarray(result), bits))
            if bits < image.bits:
                outcome.notes.append(f'uses {bits} of its {image.bits} bits; denoised as such, its range is kept')
            if settings.blend.get('strength') == 'auto' and denoiser.noise_level is not None:
                from amsnet_basicsr.denoise.detail_guard import LITTLE  # imports PyTorch, which is loaded by now

                outcome.noise_level = round(255 * denoiser.noise_level, 2)
                if denoiser.noise_level < LITTLE:
                    outcome.notes.append('little noise, left as it is (--strength 1 denoises all the same)')
        try:
            outcome.notes += write_image(job.output, denoised, settings.quality, settings.overwrite)
        except ImageError:
            if settings.overwrite or not os.path.isfile(job.output):
                raise
            return None
        return denoised

    def _compare(self, job: Job, image: ImageData, denoised: ImageData, outcome: Outcome) -> None:
        if job.compare is None:
            return
        if os.path.lexists(job.compare) and not self._settings.overwrite:
            outcome.notes.append(f'{job.compare} exists and is left as it is')
        else:
            write_image(job.compare, compare_image(image, denoised), overwrite=self._settings.overwrite)
            outcome.compare = str(job.compare)

    def _tell(self, outcome: Outcome) -> None:
        for note in outcome.notes:
            self._told[note] += 1
            if self._told[note] == 1:  # the others are counted in the end
                self._console.note(f'{outcome.input}: {note}')
        size = 'exists' if outcome.status == 'skipped' else f'{outcome.megapixels:.2f} MP, {outcome.seconds:.1f} s'
        line = f'{outcome.input} -> {outcome.output} ({size})' if outcome.error is None else None
        self._console.finished(line, 0.0 if outcome.status == 'skipped' else outcome.megapixels)


def _existing(job: Job, image: ImageData) -> ImageData:
    """Read an output that exists, to show it beside its input."""
    denoised = read_image(job.output)
    if denoised.pixels.shape[:2] != image.pixels.shape[:2]:
        raise ImageError(f'{job.output}: not of the size of {job.source}; --overwrite makes it anew')
    if denoised.grey and not image.grey:
        return replace(denoised, pixels=np.repeat(denoised.pixels, 3, axis=2))
    return replace(denoised, pixels=denoised.pixels[..., : image.pixels.shape[2]])  # grey may have been written as RGB


def _line(error: Exception, job: Job) -> str:
    """Describe an error in one line that names the image."""
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, MemoryError):
        return f'{job.source}: there is not enough memory for it'
    from amsnet_basicsr.denoise.denoiser import DenoiseError  # imports PyTorch, which is loaded by now

    text = ' '.join(str(error).split())
    expected = isinstance(error, DenoiseError)
    return f'{job.source}: {text if expected else f"unexpected {type(error).__name__}: {text}"}'
