"""Name what is made of each image, and refuse what can't be written or would lose a file, before any work."""

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from amsnet_basicsr.denoise.command.arguments import UsageError, given
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.denoise.command.inputs import Found, Inputs, find_inputs, identity, place
from amsnet_basicsr.denoise.command.summary import is_summary
from amsnet_basicsr.images import READ_SUFFIXES, UNREAD_SUFFIXES, WRITE_SUFFIXES


@dataclass(frozen=True)
class Job:
    """An image and what is made of it.

    Attributes:
        source: The noisy image.
        output: The denoised one.
        compare: Both side by side; None if not wanted.
        done: Whether the output exists and is to be left alone.
    """

    source: Path
    output: Path
    compare: Path | None = None
    done: bool = False

    @property
    def targets(self) -> tuple[Path, ...]:
        """The files to write."""
        return (self.output,) if self.compare is None else (self.output, self.compare)


@dataclass(frozen=True)
class Outputs:
    """What a run writes, and of what.

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


def plan_outputs(options: argparse.Namespace, console: Console) -> Outputs:
    """Find the inputs, name the outputs, and refuse with a UsageError what can't be done or would lose something."""
    file = output_file(options.output, options.inputs)
    if file is not None and (options.ext != 'auto' or options.suffix):
        raise UsageError(f'-o {options.output} names the file; leave out --ext and --suffix, or give a folder')
    folder = Path(options.output) if file is None else file.parent
    check_folder(folder)
    inputs = find_inputs(options.inputs, folder)
    if file is not None and len(inputs.found) > 1:
        raise UsageError(f'-o {options.output}: a file name, but {len(inputs.found)} images match; give a folder')
    ext, suffix = ('png', f'{options.suffix}_preview') if options.preview else (options.ext, options.suffix)
    jobs, left_out = make_jobs(inputs.found, folder, file, ext, suffix, options.compare, options.overwrite)
    if left_out:
        images = f'{len(left_out)} image{"s" * (len(left_out) > 1)}'
        console.note(f'{images} left out: results of other images of the same folder, such as {left_out[0]}')
    if any(job.done for job in jobs) and (how := given(options)):
        console.note(f'outputs that exist stay as an earlier run made them, without {how}; --overwrite makes them anew')
    gallery = None if options.gallery is None else Path(options.gallery)
    is_new = gallery is not None and (options.overwrite or not os.path.isfile(gallery))
    if gallery is not None and not is_new:  # an existing page is kept
        gallery = _page_for_new_images(gallery, jobs, console)
    json = None if options.json in (None, '-') else Path(options.json)
    reports = [path for path in (gallery, json) if path is not None]
    for report in reports:
        check_report(report, folder, jobs, options.overwrite)
    check_inputs_are_safe(reports, [one.path for one in inputs.found])
    for name, reason in inputs.problems.items():
        console.error(f'{name}: {reason}')
    if inputs.passed_over:
        console.note(f'passed over: {inputs.passed_over_in_words()}')
    return Outputs(inputs, folder, jobs, gallery, is_new)


def make_jobs(
    found: Sequence[Found],
    folder: Path,
    file: Path | None = None,
    ext: str = 'auto',
    suffix: str = '',
    compare: bool = False,
    overwrite: bool = False,
) -> tuple[list[Job], list[Path]]:
    """Name the output of each image, below `folder` or, of a single one, `file`.

    With `ext` 'auto' it has the format of the input, or PNG where that can't be written. A UsageError is raised if two
    images would go to the same file, or an output would replace an input.

    Returns:
        The jobs, and the images left out because they are outputs of others, as an earlier run into the same folder
        left them.
    """
    outputs = {one.path: file or folder / _renamed(one.relative, ext, suffix) for one in found}
    left_out = [] if overwrite else _outputs_of_others(found, outputs)
    for path in left_out:
        del outputs[path]
    stems = Counter(place(output.with_suffix('')) for output in outputs.values())
    taken: dict[tuple[str, str], Path] = {}
    jobs = []
    for source, output in outputs.items():
        comparison = None
        if compare:
            comparison = _compare_file(output, with_format=stems[place(output.with_suffix(''))] > 1)
        job = Job(source, output, comparison, done=not overwrite and os.path.isfile(output))
        for target in job.targets:
            other = taken.setdefault(place(target), source)
            if other != source:
                raise UsageError(
                    f'{other} and {source} would both be written to {target}; '
                    f'{"use another --ext, or " * (ext != "auto")}denoise them into different folders'
                )
        jobs.append(job)
    check_inputs_are_safe([target for job in jobs for target in job.targets], outputs)
    return jobs, left_out


def check_inputs_are_safe(targets: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over an input, by whatever name."""
    originals = {identity(path): path for path in inputs if os.path.exists(path)}
    for target in targets:
        source = originals.get(identity(target)) if os.path.exists(target) else None
        if source is not None:
            same = '' if source == target else f' (it is the same file as {target})'
            raise UsageError(
                f'{source} is an input and would be written over{same}; choose another folder or another --suffix'
            )


def _renamed(relative: Path, ext: str, suffix: str) -> Path:
    kept = relative.suffix if relative.suffix.lower() in WRITE_SUFFIXES else '.png'
    ending = kept if ext == 'auto' else f'.{ext}'
    return relative.with_name(f'{relative.stem}{suffix}{ending}')


def _compare_file(output: Path, with_format: bool) -> Path:
    """`NAME_compare.png`, or `NAME_jpg_compare.png` where outputs of several formats share a name."""
    ending = f'_{output.suffix[1:]}' if with_format else ''
    return output.with_name(f'{output.stem}{ending}_compare.png')


def _outputs_of_others(found: Sequence[Found], outputs: Mapping[Path, Path]) -> list[Path]:
    """List the images that are an output, comparison or preview of another one, made this time or before."""
    made = {place(output): source for source, output in outputs.items()}
    for source, output in outputs.items():
        previews = (output.with_name(f'{path.stem}_preview.png') for path in (source, output))
        for path in (*previews, *(_compare_file(output, with_format) for with_format in (False, True))):
            made.setdefault(place(path), source)
    return [one.path for one in found if not one.named and made.get(place(one.path), one.path) != one.path]


def output_file(output: str, names: Sequence[str]) -> Path | None:
    """Return the output if it is a file, for one input file, or None for a folder; a UsageError if neither will do."""
    path = Path(output)
    if os.path.isdir(path) or output.endswith(('/', os.sep)):
        return None
    suffix = path.suffix.lower()
    if suffix in (*WRITE_SUFFIXES, *READ_SUFFIXES, *UNREAD_SUFFIXES):
        if len(names) > 1 or os.path.isdir(names[0]):
            raise UsageError(f'-o {output}: a file name, but there may be several images; give a folder')
        if suffix not in WRITE_SUFFIXES:
            raise UsageError(f'-o {output}: cannot write {suffix}; use {", ".join(WRITE_SUFFIXES)}')
        return path
    if os.path.lexists(path):
        raise UsageError(f'-o {output}: it exists and is no folder')
    return None


def check_folder(folder: Path) -> None:
    """Refuse an output folder that can't be made or written to, as far as that can be told without making it."""
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not os.path.isdir(existing):
        raise UsageError(f'-o {folder}: {existing} is no folder')
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f'-o {folder}: {existing} cannot be written to')


def check_file(file: Path, overwrite: bool) -> None:
    """Refuse a file that can't be written, or that exists."""
    if os.path.isdir(file):
        raise UsageError(f'{file}: this is a folder; name a file in it')
    if os.path.lexists(file) and not overwrite:
        raise UsageError(f'{file}: exists already; --overwrite replaces it')
    if not os.path.isdir(file.parent):
        raise UsageError(f'{file}: there is no folder {file.parent}')
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise UsageError(f'{file}: {file.parent} cannot be written to')


def check_report(report: Path, folder: Path, jobs: Sequence[Job], overwrite: bool) -> None:
    """Refuse a summary or gallery that can't be written or would replace anything but an earlier summary.

    The output folder will be made; the jobs are what else will be written.
    """
    if any(place(report) == place(target) for job in jobs for target in job.targets):
        raise UsageError(f'{report}: an image would be written there')
    if report.parent != folder or os.path.isdir(folder):
        check_file(report, overwrite or (report.suffix.lower() == '.json' and is_summary(report)))


def make_folder(folder: Path) -> None:
    """Make a folder with its parents; a UsageError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f'{folder}: this folder cannot be made: {error.strerror or error}') from None


def _page_for_new_images(gallery: Path, jobs: Sequence[Job], console: Console) -> Path | None:
    """Name a page beside one that exists, `NAME-2.html` and so on; None if there is nothing new to show."""
    if all(job.done for job in jobs):
        console.note(f'{gallery} exists, and there are no new images for it')
        return None
    pages = (gallery.with_name(f'{gallery.stem}-{number}{gallery.suffix}') for number in count(2))
    page = next(page for page in pages if not os.path.lexists(page))
    console.note(f'{gallery} exists: images that this run denoises go to {page}')
    return page
