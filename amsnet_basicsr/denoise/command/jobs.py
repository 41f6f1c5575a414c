"""Name what is made of each image, and refuse what would lose a file."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amsnet_basicsr.denoise.command.arguments import UsageError
from amsnet_basicsr.denoise.command.inputs import Found, identity, place
from amsnet_basicsr.images import WRITE_SUFFIXES


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
                    'use another --ext, or denoise them into different folders'
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
                f'{source} is an input and would be written over{same}; choose another folder or a --suffix'
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
