"""A run of the command from its plan to its summary."""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amsnet_basicsr.denoise.command.arguments import BLEND, UsageError
from amsnet_basicsr.denoise.command.batch import Batch, Settings
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.denoise.command.outputs import Job, make_folder
from amsnet_basicsr.denoise.command.plan import Plan, make_plan
from amsnet_basicsr.denoise.command.summary import PROGRAM, Outcome, Summary
from amsnet_basicsr.denoise.gallery.writer import GalleryEntry, GalleryWriter
from amsnet_basicsr.images import ImageData, ImageError
from amsnet_basicsr.utils.atomic_write import atomic_write, write_error

if TYPE_CHECKING:
    from amsnet_basicsr.denoise.denoiser import Denoiser

_NOT_SETTINGS = ('inputs', 'output', 'json', 'gallery', 'quiet')


def run(options: argparse.Namespace) -> int:
    """Do what the command line asks for, and return the exit status."""
    start = time.monotonic()
    console = Console(PROGRAM, options.quiet, to_stderr=options.json == '-')
    try:
        plan = make_plan(options, console)
        inputs = plan.inputs
        outcomes = [Outcome(name, 'failed', error=reason) for name, reason in inputs.problems.items()]
        for name, reason in inputs.problems.items():
            console.error(f'{name}: {reason}')
        if inputs.passed_over:
            console.note(f'passed over: {inputs.passed_over_in_words()}')
        this = _Run(options, plan, console, outcomes)
        this.denoise()
    except UsageError as error:
        console.end()
        console.error(str(error))
        return 2
    console.end()
    waiting = len(plan.jobs) + len(inputs.problems) - len(outcomes)
    seconds = time.monotonic() - start
    summary = Summary(outcomes, waiting, this.interrupted, seconds, this.gallery_failed, inputs.passed_over)
    if plan.jobs or this.interrupted:
        (console.error if this.interrupted else console.result)(summary.text())
    status = summary.exit_status
    if options.json is not None and not _write_json(options.json, summary.json(this.model, this.settings), console):
        status = status or 1
    return status


class _Run:
    """The part that needs the model.

    Attributes:
        model: What is known of the model, once it is loaded.
        settings: The settings, for the summary.
        interrupted: Whether the user stopped it.
        gallery_failed: Whether the gallery was begun and could not be ended.
    """

    def __init__(self, options: argparse.Namespace, plan: Plan, console: Console, outcomes: list[Outcome]) -> None:
        self.model: dict[str, Any] | None = None
        self.settings = {name: value for name, value in vars(options).items() if name not in _NOT_SETTINGS}
        self.interrupted = self.gallery_failed = False
        self._shown = 0
        self._options, self._plan, self._console, self._outcomes = options, plan, console, outcomes

    def denoise(self) -> None:
        """Denoise all images, with a gallery if one is wanted; a UsageError if model, folder or gallery won't do."""
        page = self._plan.gallery
        if page is None or not self._plan.jobs:
            self._batch(None)
            return
        make_folder(page.parent)
        try:
            with ExitStack() as stack:
                try:
                    gallery = stack.enter_context(GalleryWriter(page, 'Before and after', self._options.overwrite))
                except ImageError as error:
                    raise UsageError(str(error)) from None
                self._batch(gallery)
                if not self._shown:
                    raise _NothingToShowError
        except _NothingToShowError:  # and so no page
            pass
        except ImageError as error:
            self._console.end()
            self._console.error(str(error))
            self.gallery_failed = True

    def _batch(self, gallery: GalleryWriter | None) -> None:
        options, plan = self._options, self._plan
        settings = Settings({name: getattr(options, name) for name in BLEND},
                            options.quality, options.overwrite, options.preview)  # fmt: skip

        def show(job: Job, noisy: ImageData, denoised: ImageData, outcome: Outcome) -> None:
            assert gallery is not None
            facts = {'denoised': str(job.output), 'settings': 'those of an earlier run'}
            if outcome.status == 'denoised':
                facts |= {'settings': self._in_words(), 'seconds': f'{outcome.seconds:.1f}'}
            gallery.add(GalleryEntry(str(job.source), noisy, denoised, facts))
            self._shown += 1

        batch = Batch(settings, self._console, self._outcomes, show if gallery else None, plan.show_existing)
        try:
            batch.run(plan.jobs, self._load)
        except KeyboardInterrupt:
            self.interrupted = True
        for outcome in self._outcomes:
            if gallery is not None and outcome.error is not None:
                gallery.add_failure(outcome.input, outcome.error)

    def _in_words(self) -> str:
        """Say in a few words how images were denoised: network, way of running it, and what isn't the default."""
        model = self.model or {}
        words = [str(model.get('arch')), 'one pass' if model.get('scheme') == 'plain' else 'masks']
        if model.get('refine'):
            words.append(model['refine'].split('(')[0])
        for name, usual in (('strength', ('auto', 1)), ('luma', (None,)), ('chroma', (None,)), ('grain', (0,))):
            if (value := self.settings[name]) not in usual:
                words.append(f'{name} {value:g}')
        return ', '.join(words)

    def _load(self) -> 'Denoiser':
        from amsnet_basicsr.denoise.denoiser import Denoiser  # and with it PyTorch, after all mistakes are told
        from amsnet_basicsr.options.user_parts import import_parts

        options = self._options
        if problems := import_parts(options.parts):
            raise UsageError('; '.join(problems))
        names = ('opt', 'scheme', 'refine', 'seed', 'tile', 'device', 'precision')
        settings = {name: getattr(options, name) for name in names}
        try:
            denoiser = Denoiser.from_pretrained(options.model, **settings, on_notice=self._console.note)
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
        make_folder(self._plan.folder)
        return denoiser


class _NothingToShowError(Exception):
    """No image has come into the gallery."""


def _write_json(target: str, text: str, console: Console) -> bool:
    if target == '-':
        return console.raw(text)
    try:
        make_folder(Path(target).parent)
        with atomic_write(Path(target), sync=True) as file:  # that it may be replaced was checked before
            file.write(f'{text}\n'.encode())
    except (OSError, UsageError) as error:
        console.error(write_error(Path(target), error) if isinstance(error, OSError) else str(error))
        return False
    return True
