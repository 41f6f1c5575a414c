"""Denoise images one after the other; an image that fails doesn't stop the rest."""

import argparse
import os
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from amsnet_basicsr.denoise.allocator import release_freed_memory
from amsnet_basicsr.denoise.command.arguments import blend_settings
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.denoise.command.model import load_denoiser, model_in_words
from amsnet_basicsr.denoise.command.outputs import Job, Outputs, make_folder
from amsnet_basicsr.denoise.command.preview import preview
from amsnet_basicsr.denoise.command.summary import Outcome, Summary
from amsnet_basicsr.denoise.gallery.compare import compare_image
from amsnet_basicsr.denoise.gallery.writer import GalleryEntry, GalleryWriter
from amsnet_basicsr.images import (
    ImageData,
    ImageError,
    read_image,
    with_channels,
    write_image,
)
from amsnet_basicsr.utils.stop_signal import Interruption
from amsnet_basicsr.utils.text import one_line

if TYPE_CHECKING:
    from amsnet_basicsr.denoise.denoiser import Denoiser


class Batch:
    """Denoises images one by one; one is in memory at a time, noisy and denoised.

    Attributes:
        summary: What became of each input so far.
        denoiser: The model, once an image needed it.
    """

    def __init__(self, options: argparse.Namespace, outputs: Outputs, console: Console) -> None:
        problems = outputs.inputs.problems
        failed = [Outcome(name, 'failed', error=reason) for name, reason in problems.items()]
        self.summary = Summary(len(outputs.jobs) + len(problems), outputs.inputs.passed_over, failed)
        self.denoiser: Denoiser | None = None
        self._options, self._outputs, self._console = options, outputs, console
        self._gallery: GalleryWriter | None = None
        self._interruption = Interruption()
        self._notes = Counter[str]()

    def run(self) -> None:
        """Do the jobs; a UsageError if the model or the folder won't do."""
        left = []
        for job in self._outputs.jobs:
            compare = job.compare is not None and not os.path.lexists(job.compare)
            if job.done and not compare and not self._outputs.show_existing:
                self.summary.outcomes.append(Outcome(str(job.source), 'skipped', str(job.output)))
            else:
                left.append(job)
        page = self._outputs.gallery if left else None
        try:
            if not all(job.done for job in left):
                self.denoiser = load_denoiser(self._options, self._console.note)
                make_folder(self._outputs.folder)
            with GalleryWriter(page, 'Before and after', self._options.overwrite) if page else nullcontext() as gallery:
                self._gallery = gallery
                self._do_all(left)
        except KeyboardInterrupt:  # before the first image
            self.summary.interrupted = True
        except ImageError as error:
            self._console.error(str(error))
            self.summary.gallery_failed = True

    def _do_all(self, jobs: Sequence[Job]) -> None:
        try:
            with self._interruption, self._console.images(len(jobs)):
                for job in jobs:
                    self._interruption.check()
                    self._do(job)
        except KeyboardInterrupt:
            self.summary.interrupted = True
        for note, count in self._notes.items():
            if count > 1:
                self._console.note(f'{count - 1} more: {note}')
        for outcome in self.summary.outcomes:
            if self._gallery is not None and outcome.error is not None:
                self._gallery.add_failure(outcome.input, outcome.error)

    def _do(self, job: Job) -> None:
        start = time.monotonic()
        outcome = Outcome(str(job.source), 'failed')
        try:
            image = read_image(job.source)
            outcome.describe(image, self._options.preview)
            denoised = self._denoise(job, image, outcome)
            outcome.output, outcome.status = str(job.output), 'skipped' if denoised is None else 'denoised'
            outcome.seconds = time.monotonic() - start
            self._show(job, image, denoised, outcome)
        except Exception as error:
            outcome.status, outcome.error = 'failed', _line(error, job)
            self._console.error(outcome.error)
        release_freed_memory()
        outcome.seconds = time.monotonic() - start
        self.summary.outcomes.append(outcome)
        self._tell(outcome)

    def _denoise(self, job: Job, image: ImageData, outcome: Outcome) -> ImageData | None:
        """Denoise and write an image; None if the output is there, maybe written by another process meanwhile."""
        options, denoiser = self._options, self.denoiser
        if denoiser is None or (os.path.isfile(job.output) and not options.overwrite):
            return None
        blend = blend_settings(options)
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(f'{job.output}: its folder cannot be made: {error.strerror or error}') from None

        def progress(done: int, every: int) -> None:
            self._interruption.check()
            self._console.progress(done / every, outcome.megapixels)

        if options.preview is not None:
            denoised = preview(image, options.preview, denoiser, blend, str(job.source), progress)
        else:
            denoised = image.with_pixels(np.asarray(denoiser(image.pixels, progress=progress, **blend)))
            bits = denoiser.used_bits
            if bits is not None and bits < image.bits:
                outcome.notes.append(f'uses {bits} of its {image.bits} bits; denoised as such, its range is kept')
            outcome.computed_in = denoiser.computed_in
            if options.strength == 'auto':
                _add_noise_level(outcome, denoiser.noise_level)
        try:
            outcome.notes += write_image(job.output, denoised, options.quality, options.overwrite)
        except ImageError:
            if options.overwrite or not os.path.isfile(job.output):
                raise
            return None
        return denoised

    def _show(self, job: Job, noisy: ImageData, denoised: ImageData | None, outcome: Outcome) -> None:
        """Compare an image with its output, one of an earlier run if `denoised` is None, where that is wanted."""
        gallery = self._gallery if denoised is not None or self._outputs.show_existing else None
        if job.compare is None and gallery is None:
            return
        facts = {'denoised': str(job.output), 'settings': 'those of an earlier run'}
        if denoised is None:
            denoised = _existing(job, noisy)
        elif self.denoiser is not None:
            how = model_in_words(self.denoiser, self._options)
            facts |= {'settings': how, 'seconds': f'{outcome.seconds:.1f}'}
        if job.compare is not None:
            if os.path.lexists(job.compare) and not self._options.overwrite:
                outcome.notes.append(f'{job.compare} exists and is left as it is')
            else:
                write_image(job.compare, compare_image(noisy, denoised), overwrite=self._options.overwrite)
                outcome.compare = str(job.compare)
        if gallery is not None:
            gallery.add(GalleryEntry(str(job.source), noisy, denoised, facts))

    def _tell(self, outcome: Outcome) -> None:
        for note in outcome.notes:
            self._notes[note] += 1
            if self._notes[note] == 1:  # repeats are counted at the end
                self._console.note(f'{outcome.input}: {note}')
        skipped = outcome.status == 'skipped'
        size = 'exists' if skipped else f'{outcome.megapixels:.2f} MP, {outcome.seconds:.1f} s'
        line = f'{outcome.input} -> {outcome.output} ({size})' if outcome.error is None else None
        self._console.finished(line, 0.0 if skipped else outcome.megapixels)


def _add_noise_level(outcome: Outcome, level: float | None) -> None:
    from amsnet_basicsr.denoise.auto_strength.noise_level import LITTLE  # imports PyTorch, which is loaded by now

    outcome.noise_level = None if level is None else round(255 * level, 2)
    if level is None or level < LITTLE:
        why = 'too small to measure its noise' if level is None else 'little noise'
        outcome.notes.append(f'{why}, left as it is (--strength 1 denoises all the same)')


def _existing(job: Job, image: ImageData) -> ImageData:
    """Read an output that exists, to show it beside its input."""
    denoised = read_image(job.output)
    if denoised.pixels.shape[:2] != image.pixels.shape[:2]:
        raise ImageError(f'{job.output}: not of the size of {job.source}; --overwrite makes it anew')
    # Grey may have been written as RGB.
    return replace(denoised, pixels=with_channels(denoised.pixels, None, image.pixels.shape[2]))


def _line(error: Exception, job: Job) -> str:
    """Describe an error in one line that names the image."""
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, MemoryError):
        return f'{job.source}: there is not enough memory for it'
    from amsnet_basicsr.denoise.denoiser import DenoiseError  # imports PyTorch, which is loaded by now

    unexpected = '' if isinstance(error, DenoiseError) else f'unexpected {type(error).__name__}: '
    return f'{job.source}: {unexpected}{one_line(error)}'
