"""Name the outputs, and refuse what would lose a file."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from amsnet_basicsr.denoise.command.arguments import UsageError
from amsnet_basicsr.denoise.command.inputs import Found, Identity, identity, place
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


def output_file(output: str, names: Sequence[str]) -> Path | None:
    """Return the output as a file if it ends as an image does and there is one input file; None if it is a folder.

    Raises:
        UsageError: If it can be neither.
    """
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


def make_jobs(
    found: Sequence[Found],
    folder: Path,
    file: Path | None = None,
    ext: str = 'auto',
    suffix: str = '',
    compare: bool = False,
    overwrite: bool = False,
) -> tuple[list[Job], list[Path]]:
    """Name the output of each image.

    Args:
        found: The images.
        folder: Output folder.
        file: Output file of a single image, instead of the folder.
        ext: 'auto' keeps the format of the input where it can be written, and takes PNG where not; or a format.
        suffix: Added to the names.
        compare: Whether comparisons are wanted.
        overwrite: Whether existing outputs are replaced.

    Returns:
        The jobs, and the images left out because they are outputs of others, as an earlier run into the same folder
        left them.

    Raises:
        UsageError: If two images would go to the same file, or an output would replace an input.
    """
    outputs = {one.path: file or folder / _renamed(one.relative, ext, suffix) for one in found}
    left_out = [] if overwrite else _outputs_of_others(found, outputs)
    skipped = set(left_out)
    jobs = [
        Job(path, output, done=not overwrite and os.path.isfile(output))
        for path, output in outputs.items()
        if path not in skipped
    ]
    if compare:
        jobs = _with_compare(jobs)
    _refuse_collisions(jobs)
    targets = [path for job in jobs for path in (job.output, job.compare) if path]
    check_inputs_are_safe(targets, [one for one in found if one.path not in skipped])
    return jobs, left_out


def check_inputs_are_safe(targets: Iterable[Path], found: Iterable[Found]) -> None:
    """Refuse to write over an input, by whatever name."""
    inputs: dict[Identity, Path] = {}
    for one in found:
        if os.path.exists(one.path):
            inputs.setdefault(identity(one.path), one.path)
    for target in targets:
        source = inputs.get(identity(target)) if os.path.exists(target) else None
        if source is not None:
            same = '' if source == target else f' (it is the same file as {target})'
            raise UsageError(
                f'{source} is an input and would be written over{same}; choose another folder or a --suffix'
            )


def check_writable(folder: Path) -> None:
    """Refuse an output folder that can't be made or written to, as far as that can be told without making it."""
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not os.path.isdir(existing):
        raise UsageError(f'-o {folder}: {existing} is no folder')
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f'-o {folder}: {existing} cannot be written to')


def check_report(report: Path, folder: Path, jobs: Iterable[Job], overwrite: bool) -> None:
    """Refuse a summary or gallery that can't be written or would replace anything but an earlier summary.

    Args:
        report: The file.
        folder: Output folder, which will be made.
        jobs: What else will be written.
        overwrite: Whether existing files may be replaced.
    """
    if os.path.isdir(report.parent):
        if not os.access(report.parent, os.W_OK | os.X_OK):
            raise UsageError(f'{report}: {report.parent} cannot be written to')
    elif report.parent != folder:
        raise UsageError(f'{report}: there is no folder {report.parent}')
    if os.path.isdir(report):
        raise UsageError(f'{report}: this is a folder; name a file in it')
    if any(place(report) in (place(job.output), place(job.compare or job.output)) for job in jobs):
        raise UsageError(f'{report}: an image would be written there')
    if os.path.lexists(report) and not overwrite and not (report.suffix.lower() == '.json' and is_summary(report)):
        raise UsageError(f'{report}: exists already; --overwrite replaces it')


def free_name(path: Path) -> Path:
    """Return the first of `NAME`, `NAME-2`, `NAME-3`, … that isn't taken."""
    number, free = 2, path
    while os.path.lexists(free):
        free = path.with_name(f'{path.stem}-{number}{path.suffix}')
        number += 1
    return free


def make_folder(folder: Path) -> None:
    """Make a folder with its parents; a UsageError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f'{folder}: this folder cannot be made: {error.strerror or error}') from None


def _outputs_of_others(found: Sequence[Found], outputs: Mapping[Path, Path]) -> list[Path]:
    """List the images that are an output, comparison or preview of another one, made this time or before."""
    made = {place(output): source for source, output in outputs.items()}
    for source, output in outputs.items():
        names = [f'{source.stem}_preview.png', f'{output.stem}_preview.png']
        names += [f'{output.stem}{ending}_compare.png' for ending in ('', f'_{output.suffix[1:]}')]
        for name in names:
            made.setdefault(place(output.with_name(name)), source)
    return [one.path for one in found if not one.named and made.get(place(one.path), one.path) != one.path]


def _renamed(relative: Path, ext: str, suffix: str) -> Path:
    kept = relative.suffix if relative.suffix.lower() in WRITE_SUFFIXES else '.png'
    ending = kept if ext == 'auto' else f'.{ext}'
    return relative.with_name(f'{relative.stem}{suffix}{ending}')


def _with_compare(jobs: Sequence[Job]) -> list[Job]:
    """Give each job a file to compare, `NAME_compare.png`, or `NAME_jpg_compare.png` where formats share a name."""
    stems: dict[tuple[str, str], int] = {}
    for job in jobs:
        key = place(job.output.with_suffix(''))
        stems[key] = stems.get(key, 0) + 1
    named = []
    for job in jobs:
        shared = stems[place(job.output.with_suffix(''))] > 1
        ending = f'_{job.output.suffix[1:]}' if shared else ''
        named.append(replace(job, compare=job.output.with_name(f'{job.output.stem}{ending}_compare.png')))
    return named


def _refuse_collisions(jobs: Iterable[Job]) -> None:
    taken: dict[tuple[str, str], Path] = {}
    for job in jobs:
        for target in (job.output, job.compare):
            if target is None:
                continue
            other = taken.setdefault(place(target), job.source)
            if other != job.source:
                raise UsageError(
                    f'{other} and {job.source} would both be written to {target}; '
                    'use another --ext, or denoise them into different folders'
                )
