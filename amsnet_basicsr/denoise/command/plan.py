"""Decide what is read and where each result goes; everything is checked before any work."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from amsnet_basicsr.denoise.command.arguments import UsageError, given
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.denoise.command.inputs import Inputs, find_inputs
from amsnet_basicsr.denoise.command.outputs import (
    Job,
    check_inputs_are_safe,
    check_report,
    check_writable,
    free_name,
    make_jobs,
    output_file,
)


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
        inputs: What was found.
        folder: Output folder.
        jobs: What is made of each image.
        gallery: The page to write.
        show_existing: Whether outputs of an earlier run come into the gallery too.
    """

    inputs: Inputs
    folder: Path
    jobs: list[Job]
    gallery: Path | None
    show_existing: bool


def make_plan(options: argparse.Namespace, console: Console) -> Plan:
    """Find the inputs, name the outputs, and refuse with a UsageError what can't be done or would lose something."""
    file = output_file(options.output, options.inputs)
    if file is not None and (options.ext != 'auto' or options.suffix):
        raise UsageError(f'-o {options.output} names the file; leave out --ext and --suffix, or give a folder')
    folder = Path(options.output) if file is None else file.parent
    check_writable(folder)
    inputs = find_inputs(options.inputs, folder)
    if file is not None and len(inputs.found) > 1:
        raise UsageError(f'-o {options.output}: a file name, but {len(inputs.found)} images match; give a folder')
    ext, suffix = ('png', f'{options.suffix}_preview') if options.preview else (options.ext, options.suffix)
    jobs, left_out = make_jobs(inputs.found, folder, file, ext, suffix, options.compare, options.overwrite)
    if left_out:
        count = f'{len(left_out)} image{"s" * (len(left_out) > 1)}'
        console.note(f'{count} left out that other images of the same folder are written to, such as {left_out[0]}')
    if any(job.done for job in jobs) and (how := given(options)):
        console.note(f'outputs that exist stay as an earlier run made them, without {how}; --overwrite makes them anew')
    gallery = None if options.gallery is None else Path(options.gallery)
    is_new = gallery is None or options.overwrite or not os.path.isfile(gallery)
    if gallery is not None and not is_new:  # what it shows stays there
        gallery = _page_for_new_images(gallery, jobs, console)
    reports = [path for path in (gallery, options.json not in (None, '-') and Path(options.json)) if path]
    for report in reports:
        check_report(report, folder, jobs, options.overwrite)
    check_inputs_are_safe(reports, inputs.found)
    return Plan(inputs, folder, jobs, gallery, is_new and gallery is not None)


def _page_for_new_images(gallery: Path, jobs: list[Job], console: Console) -> Path | None:
    if all(job.done for job in jobs):
        console.note(f'{gallery} exists, and there are no new images for it')
        return None
    page = free_name(gallery)
    console.note(f'{gallery} exists: the images of this run go to {page}')
    return page
