"""A run of the command from its arguments to its summary."""

import argparse
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from amsnet_basicsr.denoise.command.arguments import UsageError
from amsnet_basicsr.denoise.command.batch import Batch
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.denoise.command.model import model_facts
from amsnet_basicsr.denoise.command.outputs import make_folder, plan_outputs
from amsnet_basicsr.denoise.command.summary import PROGRAM, Summary
from amsnet_basicsr.denoise.gallery.writer import GalleryWriter
from amsnet_basicsr.images import ImageError
from amsnet_basicsr.utils.atomic_write import atomic_write, write_error
from amsnet_basicsr.utils.text import print_line

_NOT_SETTINGS = ('inputs', 'output', 'json', 'gallery', 'quiet')


def run(options: argparse.Namespace) -> int:
    """Do what the command line asks for, and return the exit status."""
    start = time.monotonic()
    console = Console(PROGRAM, options.quiet, to_stderr=options.json == '-')
    try:
        outputs = plan_outputs(options, console)
        inputs = outputs.inputs
        for name, reason in inputs.problems.items():
            console.error(f'{name}: {reason}')
        if inputs.passed_over:
            console.note(f'passed over: {inputs.passed_over_in_words()}')
        batch = Batch(options, outputs, console)
        page = outputs.gallery if outputs.jobs else None
        problem = None
        if page is None:
            batch.run()
        else:
            problem = _run_with_gallery(batch, page, options.overwrite)
    except UsageError as error:
        console.end()
        console.error(str(error))
        return 2
    console.end()
    if problem is not None:
        console.error(problem)
    waiting = len(outputs.jobs) + len(inputs.problems) - len(batch.outcomes)
    seconds = time.monotonic() - start
    summary = Summary(batch.outcomes, waiting, batch.interrupted, seconds, problem is not None, inputs.passed_over)
    if outputs.jobs or batch.interrupted:
        (console.error if batch.interrupted else console.result)(summary.text())
    status = summary.exit_status
    if options.json is not None:
        model = None if batch.denoiser is None else model_facts(batch.denoiser)
        settings = {name: value for name, value in vars(options).items() if name not in _NOT_SETTINGS}
        if not _write_json(options.json, summary.json(model, settings), console):
            status = status or 1
    return status


class _NothingToShowError(Exception):
    """No image has come into the gallery."""


def _run_with_gallery(batch: Batch, page: Path, overwrite: bool) -> str | None:
    """Run a batch with a page of its images, which is not written if there are none; return what went wrong with it."""
    make_folder(page.parent)
    try:
        with suppress(_NothingToShowError), ExitStack() as stack:
            try:
                gallery = stack.enter_context(GalleryWriter(page, 'Before and after', overwrite))
            except ImageError as error:
                raise UsageError(str(error)) from None
            batch.run(gallery)
            if not gallery.count:
                raise _NothingToShowError
    except ImageError as error:
        return str(error)
    return None


def _write_json(target: str, text: str, console: Console) -> bool:
    if target == '-':
        return print_line(text, sys.stdout)
    try:
        make_folder(Path(target).parent)
        with atomic_write(Path(target), sync=True) as file:  # that it may be replaced was checked before
            file.write(f'{text}\n'.encode())
    except (OSError, UsageError) as error:
        console.error(write_error(Path(target), error) if isinstance(error, OSError) else str(error))
        return False
    return True
