"""`amsnet-denoise IMAGES -o FOLDER`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amsnet_basicsr.denoise.allocator import keep_freed_memory
from amsnet_basicsr.denoise.command.arguments import UsageError, given, parse
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.denoise.command.run import Run
from amsnet_basicsr.denoise.command.summary import PROGRAM, Outcome, Summary
from amsnet_basicsr.utils.atomic_write import atomic_write, write_error

if TYPE_CHECKING:
    from amsnet_basicsr.denoise.command.inputs import Inputs
    from amsnet_basicsr.denoise.command.outputs import Job


def main(argv: Sequence[str] | None = None) -> int:
    """Denoise the images that the command line names.

    Args:
        argv: What follows the command's name; None takes it from the process.

    Returns:
        Exit status: 0 if all succeeded, 1 if something failed, 2 for wrong usage or a model that can't be used.
    """
    try:
        options = parse(list(sys.argv[1:] if argv is None else argv))
    except SystemExit as stop:  # help, or what is wrong, has been printed
        return int(stop.code or 0)
    if argv is None:  # a process of our own; `fit` has no images between which to release it
        keep_freed_memory()
    return _denoise(options)


def _denoise(options: argparse.Namespace) -> int:
    start = time.monotonic()
    console = Console(PROGRAM, options.quiet, to_stderr=options.json == '-')
    try:
        folder, jobs, inputs, show_existing = _plan(options, console)
    except UsageError as error:
        console.error(str(error))
        return 2
    outcomes = [Outcome(name, 'failed', error=reason) for name, reason in inputs.problems.items()]
    for name, reason in inputs.problems.items():
        console.error(f'{name}: {reason}')
    if inputs.passed_over:
        console.note(f'passed over: {inputs.passed_over_in_words()}')
    run = Run(options, folder, console)
    try:
        interrupted = run.batch(jobs, outcomes, show_existing)
    except UsageError as error:
        console.end()
        console.error(str(error))
        return 2
    console.end()
    waiting = len(jobs) + len(inputs.problems) - len(outcomes)
    summary = Summary(outcomes, waiting, interrupted, time.monotonic() - start, run.gallery_failed, inputs.passed_over)
    if jobs or interrupted:
        (console.error if interrupted else console.result)(summary.text())
    status = summary.exit_status
    if options.json is not None and not _write_json(options.json, summary.json(run.model, run.settings), console):
        status = status or 1
    return status


def _plan(options: argparse.Namespace, console: Console) -> 'tuple[Path, list[Job], Inputs, bool]':
    from amsnet_basicsr.denoise.command.inputs import find_inputs
    from amsnet_basicsr.denoise.command.outputs import (
        check_inputs_are_safe,
        check_report,
        check_writable,
        free_name,
        output_file,
        plan,
    )

    file = output_file(options.output, options.inputs)
    if file is not None and (options.ext != 'auto' or options.suffix):
        raise UsageError(f'-o {options.output} names the file; leave out --ext and --suffix, or give a folder')
    folder = Path(options.output) if file is None else file.parent
    check_writable(folder)
    inputs = find_inputs(options.inputs, folder)
    found = inputs.found
    if file is not None and len(found) > 1:
        raise UsageError(f'-o {options.output}: a file name, but {len(found)} images match; give a folder')
    ext, suffix = ('png', f'{options.suffix}_preview') if options.preview else (options.ext, options.suffix)
    jobs, left_out = plan(found, folder, file, ext, suffix, options.compare, options.overwrite)
    if left_out:
        count = f'{len(left_out)} image{"s" * (len(left_out) > 1)}'
        console.note(f'{count} left out that other images of the same folder are written to, such as {left_out[0]}')
    if any(job.done for job in jobs) and (how := given(options)):
        console.note(f'outputs that exist stay as an earlier run made them, without {how}; --overwrite makes them anew')
    show_existing = options.gallery is not None
    if show_existing and os.path.isfile(options.gallery) and not options.overwrite:
        # What it shows already stays there.
        show_existing = False
        if all(job.done for job in jobs):
            console.note(f'{options.gallery} exists, and there are no new images for it')
            options.gallery = None
        else:
            page = str(free_name(Path(options.gallery)))
            console.note(f'{options.gallery} exists: the images of this run go to {page}')
            options.gallery = page
    reports = [Path(name) for name in (options.json, options.gallery) if name not in (None, '-')]
    for report in reports:
        check_report(report, folder, jobs, options.overwrite)
    check_inputs_are_safe(reports, found)
    return folder, jobs, inputs, show_existing


def _write_json(target: str, text: str, console: Console) -> bool:
    from amsnet_basicsr.denoise.command.outputs import make_folder

    if target == '-':
        return console.raw(text)
    try:
        make_folder(Path(target).parent)
        # What may be replaced was checked before; an earlier summary is.
        with atomic_write(Path(target), sync=True) as file:
            file.write(f'{text}\n'.encode())
    except (OSError, UsageError) as error:
        console.error(write_error(Path(target), error) if isinstance(error, OSError) else str(error))
        return False
    return True
