"""A run of the command: the model, the images one by one, the gallery."""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amsnet_basicsr.denoise.command.arguments import BLEND, UsageError
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.denoise.command.summary import Outcome

if TYPE_CHECKING:
    from amsnet_basicsr.denoise.command.outputs import Job
    from amsnet_basicsr.denoise.denoiser import Denoiser
    from amsnet_basicsr.denoise.gallery.writer import GalleryWriter
    from amsnet_basicsr.images import ImageData

_NOT_SETTINGS = ('inputs', 'output', 'json', 'gallery', 'quiet')


class Run:
    """The part of the command that needs the model.

    Args:
        options: The command line.
        folder: Output folder.
        console: Told of everything.

    Attributes:
        model: What is known of the model, once it is loaded.
        settings: The settings, for the summary.
        gallery_failed: Whether the gallery was begun and could not be ended.
    """

    def __init__(self, options: argparse.Namespace, folder: Path, console: Console) -> None:
        self.model: dict[str, Any] | None = None
        self.settings = {name: value for name, value in vars(options).items() if name not in _NOT_SETTINGS}
        self.gallery_failed = False
        self._options, self._folder, self._console = options, folder, console

    def batch(self, jobs: 'Sequence[Job]', outcomes: list[Outcome], show_existing: bool) -> bool:
        """Denoise all images.

        Args:
            jobs: The images.
            outcomes: Where each job's outcome is appended.
            show_existing: Whether outputs that exist come into the gallery too.

        Returns:
            Whether the user stopped it.

        Raises:
            UsageError: If the model, the output folder or the gallery can't be used.
        """
        from amsnet_basicsr.denoise.command.batch import Batch, Settings
        from amsnet_basicsr.images import ImageError

        options = self._options
        blend = {name: getattr(options, name) for name in BLEND}
        settings = Settings(blend, options.quality, options.overwrite, options.preview)
        interrupted = False
        try:
            with ExitStack() as stack:
                gallery = None
                if options.gallery is not None and (show_existing or not all(job.done for job in jobs)):
                    gallery = _GalleryOfRun(self._open_gallery(stack), self)
                try:
                    Batch(settings, self._console, outcomes, gallery, show_existing).run(jobs, self._load)
                except KeyboardInterrupt:
                    interrupted = True
                if gallery is not None:
                    gallery.finish(outcomes)
        except _NothingToShowError:
            pass
        except ImageError as error:
            self._console.end()
            self._console.error(str(error))
            self.gallery_failed = True
        return interrupted

    def in_words(self) -> str:
        """Say in a few words how images were denoised: network, way of running it, and what isn't the default."""
        model = self.model or {}
        words = [str(model.get('arch')), 'one pass' if model.get('scheme') == 'plain' else 'masks']
        if model.get('refine'):
            words.append(model['refine'].split('(')[0])
        for name, usual in (('strength', ('auto', 1)), ('luma', (None,)), ('chroma', (None,)), ('grain', (0,))):
            if (value := self.settings[name]) not in usual:
                words.append(f'{name} {value:g}')
        return ', '.join(words)

    def _open_gallery(self, stack: ExitStack) -> 'GalleryWriter':
        from amsnet_basicsr.denoise.command.outputs import make_folder
        from amsnet_basicsr.denoise.gallery.writer import GalleryWriter
        from amsnet_basicsr.images import ImageError

        path = Path(self._options.gallery)
        make_folder(path.parent)
        try:
            return stack.enter_context(GalleryWriter(path, 'Before and after', self._options.overwrite))
        except ImageError as error:
            raise UsageError(str(error)) from None

    def _load(self) -> 'Denoiser':
        from amsnet_basicsr.denoise.command.outputs import make_folder
        from amsnet_basicsr.denoise.denoiser import Denoiser
        from amsnet_basicsr.options.user_parts import import_parts

        options = self._options
        if problems := import_parts(options.parts):
            raise UsageError('; '.join(problems))
        try:
            denoiser = Denoiser.from_pretrained(
                options.model,
                opt=options.opt,
                scheme=options.scheme,
                refine=options.refine,
                seed=options.seed,
                tile=options.tile,
                device=options.device,
                precision=options.precision,
                on_notice=self._console.note,
            )
        except ValueError as error:
            raise UsageError(' '.join(str(error).split())) from None
        except OSError as error:
            raise UsageError(f'{error.filename or options.model}: {error.strerror or error}') from None
        for note in denoiser.notes:
            self._console.note(note)
        self.model = {
            'source': denoiser.source,
            'arch': denoiser.arch,
            'hyper_parameters': denoiser.options,
            'scheme': denoiser.scheme.type,
            'refine': repr(refine) if (refine := denoiser.scheme.refine) else None,
            'device': str(denoiser.device),
        }
        make_folder(self._folder)
        return denoiser


class _NothingToShowError(Exception):
    """No image has come into the gallery."""


class _GalleryOfRun:
    """Puts what was denoised into a gallery."""

    def __init__(self, writer: 'GalleryWriter', run: Run) -> None:
        self.count = 0
        self._writer, self._run = writer, run

    def __call__(self, job: 'Job', noisy: 'ImageData', denoised: 'ImageData', outcome: Outcome) -> None:
        from amsnet_basicsr.denoise.gallery.writer import GalleryEntry

        facts = {'denoised': str(job.output)}
        if outcome.status == 'skipped':
            facts['settings'] = 'those of an earlier run'
        else:
            facts |= {'seconds': f'{outcome.seconds:.1f}', 'settings': self._run.in_words()}
        self._writer.add(GalleryEntry(str(job.source), noisy, denoised, facts))
        self.count += 1

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """List what failed; leave no empty page."""
        if not self.count:
            raise _NothingToShowError
        for outcome in outcomes:
            if outcome.error is not None:
                self._writer.add_failure(outcome.input, outcome.error)
