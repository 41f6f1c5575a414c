"""Denoise images one after the other; what is wrong with one doesn't stop the rest."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from amsnet_basicsr.denoise.allocator import release_freed_memory
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.denoise.command.outputs import Job
from amsnet_basicsr.denoise.command.summary import Outcome
from amsnet_basicsr.denoise.gallery.compare import compare_image
from amsnet_basicsr.images import ImageData, ImageError, read_image, stretch, unstretch, used_bits, write_image
from amsnet_basicsr.utils.stop_signal import Interruption

if TYPE_CHECKING:
    from amsnet_basicsr.denoise.denoiser import Denoiser


@dataclass(frozen=True)
class Settings:
    """How images are denoised and written.

    Attributes:
        strength: 'auto', or 0 to 1, blend with the noisy image.
        luma: Strength for the luminance, if it is another.
        chroma: Strength for the colours, if it is another.
        grain: Share of what would be removed that stays.
        quality: Of JPEG and WebP, 1 to 100.
        overwrite: Whether existing outputs are replaced.
    """

    strength: float | str = 'auto'
    luma: float | None = None
    chroma: float | None = None
    grain: float = 0.0
    quality: int = 95
    overwrite: bool = False


def run_batch(
    jobs: Sequence[Job],
    load: 'Callable[[], Denoiser]',
    settings: Settings,
    console: Console,
    outcomes: list[Outcome],
    each: Callable[[Job, ImageData, ImageData, float], None] | None = None,
) -> None:
    """Denoise images.

    One image is in memory at a time, noisy and denoised.

    Args:
        jobs: The images.
        load: Makes the denoiser; called unless there is nothing to do.
        settings: How to denoise and write.
        console: Told of everything.
        outcomes: Where each job's outcome is appended, so that an interruption keeps those so far.
        each: Called with job, noisy and denoised image, and the seconds that denoising took, after each success.
    """
    left = []
    for job in jobs:
        if job.done:
            outcomes.append(Outcome(str(job.source), 'skipped', str(job.output)))
        else:
            left.append(job)
    if any(job.done and job.compare is not None and not os.path.lexists(job.compare) for job in jobs):
        console.note('images that are there already get no comparison; --overwrite makes them anew, with it')
    if not left:
        return
    denoiser = load()
    told: set[str] = set()
    console.begin(len(left))
    with Interruption() as interruption:
        for job in left:
            interruption.check()
            start = time.monotonic()
            outcome = Outcome(str(job.source), 'failed')
            try:
                _denoise(job, denoiser, settings, console, interruption, outcome, each)
                outcome.status = 'denoised'
            except Exception as error:
                outcome.error = _line(error, job)
                console.error(outcome.error)
            release_freed_memory()
            outcome.seconds = time.monotonic() - start
            outcomes.append(outcome)
            _tell(outcome, console, told)


def _tell(outcome: Outcome, console: Console, told: set[str]) -> None:
    for note in outcome.notes:
        if note not in told:
            told.add(note)
            console.note(f'{outcome.input}: {note} (said once)')
    size = f'{outcome.megapixels:.2f} MP, {outcome.seconds:.1f} s'
    line = f'{outcome.input} -> {outcome.output} ({size})' if outcome.status == 'denoised' else None
    console.finished(line, outcome.megapixels)


def _denoise(
    job: Job,
    denoiser: 'Denoiser',
    settings: Settings,
    console: Console,
    interruption: Interruption,
    outcome: Outcome,
    each: Callable[[Job, ImageData, ImageData, float], None] | None,
) -> None:
    image = read_image(job.source)
    outcome.height, outcome.width, outcome.channels = image.pixels.shape
    outcome.bits = image.bits
    megapixels = outcome.megapixels
    try:
        job.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f'{job.output}: its folder cannot be made: {error.strerror or error}') from None

    def progress(done: int, every: int) -> None:
        interruption.check()
        console.progress(done / every, megapixels)

    start = time.monotonic()
    bits = used_bits(image.pixels)
    result = denoiser(
        stretch(image.pixels, bits),
        settings.strength,
        progress,
        luma=settings.luma,
        chroma=settings.chroma,
        grain=settings.grain,
    )
    denoised = image.with_pixels(unstretch(np.asarray(result), bits))
    seconds = time.monotonic() - start
    outcome.notes = write_image(job.output, denoised, settings.quality, settings.overwrite)
    if bits < image.bits:
        outcome.notes.append(f'uses {bits} of its {image.bits} bits; denoised as such, its range is kept')
    if settings.strength == 'auto' and denoiser.noise_level is not None:
        from amsnet_basicsr.denoise.detail_guard import LITTLE  # imports PyTorch, which is loaded by now

        outcome.noise_level = round(255 * denoiser.noise_level, 2)
        if denoiser.noise_level < LITTLE:
            outcome.notes.append('little noise, left as it is (--strength 1 denoises all the same)')
    outcome.output = str(job.output)
    if job.compare is not None:
        if os.path.lexists(job.compare) and not settings.overwrite:
            outcome.notes.append(f'{job.compare} exists and is left as it is')
        else:
            write_image(job.compare, compare_image(image, denoised), overwrite=settings.overwrite)
            outcome.compare = str(job.compare)
    if each is not None:
        each(job, image, denoised, seconds)


def _line(error: Exception, job: Job) -> str:
    """Say in one line what went wrong, and with which image."""
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, MemoryError):
        return f'{job.source}: there is not enough memory for it'
    # Loaded by now; at the top of this file it would cost PyTorch's seconds.
    from amsnet_basicsr.denoise.denoiser import DenoiseError

    text = ' '.join(str(error).split())
    expected = isinstance(error, DenoiseError)
    return f'{job.source}: {text if expected else f"unexpected {type(error).__name__}: {text}"}'
