"""SIDD's validation and benchmark blocks: from MATLAB files to folders of PNGs or LMDBs."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from amsnet_basicsr.prepare.image_patches import encode_patch
from amsnet_basicsr.prepare.lmdb_build import BuildReport, Choices, Group, LmdbBuild, Made, Source
from amsnet_basicsr.prepare.mat_blocks import BLOCK, GRID, MatBlocks, block_name, open_blocks, variables
from amsnet_basicsr.prepare.outputs import (
    check_space,
    compare_settings,
    discard,
    human_bytes,
    partial_path,
    publish,
    refuse_existing,
)
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.parallel import ordered_map
from amsnet_basicsr.utils.text import name_some, one_line
from amsnet_basicsr.utils.walk import walk_files

#: Names of the variables, and of the files that hold them.
VALIDATION = {'noisy': 'ValidationNoisyBlocksSrgb', 'clean': 'ValidationGtBlocksSrgb'}
BENCHMARK = {'noisy': 'BenchmarkNoisyBlocksSrgb'}


def find_mat_files(inputs: Sequence[Path], wanted: Mapping[str, str]) -> dict[str, Path]:
    """Find out which file holds which variable.

    Args:
        inputs: MATLAB files in any order, or folders in which files of the published names lie, at any depth.
        wanted: Variables by role.

    Returns:
        Files by role.
    """
    found: dict[str, Path] = {}
    candidates: list[Path] = []
    unreadable: list[OSError] = []
    for path in inputs:
        if path.is_dir():
            names = [f'{name}.mat'.lower() for name in wanted.values()]
            candidates += [file for file in walk_files(path, unreadable.append) if file.name.lower() in names]
        else:
            candidates.append(path)
    for path in candidates:
        held = variables(path)
        roles = [role for role, name in wanted.items() if name in held]
        if not roles:
            named = one_line(name_some(held)) or 'nothing'
            raise UserError(f'{path} holds {named}, but no {" or ".join(wanted.values())}: leave it out')
        for role in roles:
            if found.setdefault(role, path) != path:
                raise UserError(f'{found[role]} and {path} both hold {wanted[role]}: give one of them')
    missing = [name for role, name in wanted.items() if role not in found]
    if missing:
        hint = ''.join(f' ({error.filename} cannot be searched: {error.strerror})' for error in unreadable[:1])
        raise UserError(f'{" and ".join(f"{name}.mat" for name in missing)}: not found in the input{hint}')
    return found


def write_blocks(
    files: Mapping[str, Path], wanted: Mapping[str, str], target: Path, to: str, choices: Choices | None = None
) -> str:
    """Write blocks as PNGs `II_JJ.png` (image, block, counted from 1) in folders or LMDBs; returns what was made.

    Args:
        files: MATLAB files by role, see `find_mat_files`.
        wanted: Names of the variables by role.
        target: Folder to write `noisy` and `clean` in; with `to='lmdb'`, `noisy.lmdb` and `clean.lmdb`.
        to: 'folder' or 'lmdb'.
        choices: How to run.
    """
    choices = choices or Choices()
    targets = {role: target / (role if to == 'folder' else f'{role}.lmdb') for role in files}
    for path in targets.values():
        refuse_existing(path, choices.overwrite)
    with ExitStack() as stack:
        blocks = {role: stack.enter_context(open_blocks(path, [wanted[role]])) for role, path in files.items()}
        shapes = {role: array.shape for role, array in blocks.items()}
        if len(set(shapes.values())) > 1:
            raise UserError(' and '.join(f'{files[role]} {shape}' for role, shape in shapes.items()) + ' do not match')
        shape = next(iter(shapes.values()))
        if shape != (*GRID, *BLOCK):
            choices.say(f'Warning: {"×".join(map(str, shape))} values found; SIDD has 40×32×256×256×3')
        kind, builds = {'folder': FolderBuild, 'lmdb': LmdbBuild}[to], {}
        for role, source in files.items():
            settings = {'of': source.name, 'bytes': source.stat().st_size, 'shape': list(shape)}
            build = kind(targets[role], shape[2:4], settings, choices, needed=float(np.prod(shape)))
            builds[role] = stack.enter_context(build)
        made = []
        for role, array in blocks.items():
            sources = [
                Source(f'{i + 1:02d}', f'image {i + 1}', shape[1], partial(encode_image, array, i))
                for i in range(shape[0])
            ]
            report = builds[role].fill(sources)
            made.append(f'{targets[role]}: {report.images} blocks, {human_bytes(report.stored)}')
        for build in builds.values():  # only now, so that a run killed between the two can be resumed
            build.publish()
    return '; '.join(made)


def encode_image(blocks: MatBlocks, index: int) -> Made:
    """Encode the blocks of one image as PNGs."""
    return Made({
        block_name(index, number): encode_patch(block)
        for number, block in enumerate(blocks.image(index))
    })  # fmt: skip


class FolderBuild:
    """As `LmdbBuild`, for a folder of PNGs.

    A context manager that holds a lock on the target. A source's fingerprint is the number of its images, whose names
    start with the source's.
    """

    def __init__(
        self, target: Path, image_size: Any, settings: Mapping[str, Any], choices: Choices, needed: float
    ) -> None:
        self.target, self.folder, self._choices = target, partial_path(target), choices
        # Beside the folder, as BasicSR takes every file in it for an image.
        self._record = self.folder.with_suffix('.partial.json')
        self._settings, self._needed = settings, needed

    def __enter__(self) -> 'FolderBuild':
        with ExitStack() as stack:
            stack.enter_context(exclusive_lock(self.folder))
            if self._choices.restart:
                discard(self.folder)
            if not self._choices.ignore_space:
                check_space(self._needed, self.target.parent)
            self.folder.mkdir(parents=True, exist_ok=True)
            compare_settings(self.folder, self._record, self._settings, any(self.folder.iterdir()))
            for path in self.folder.glob('.*.tmp'):  # of a run that was killed
                path.unlink()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def fill(self, sources: Sequence[Source]) -> BuildReport:
        """Write the images that are not there yet."""
        left = [one for one in sources if len(list(self.folder.glob(f'{one.name}_*.png'))) != one.fingerprint]

        def write(source: Source) -> None:
            for name, content in source.make().images.items():
                with atomic_write(self.folder / f'{name}.png') as file:
                    file.write(content)

        with tqdm(total=len(sources), initial=len(sources) - len(left), unit='image', disable=None) as bar:
            for _ in ordered_map(write, left, self._choices.workers):
                bar.update()
        stored = sum(path.stat().st_size for path in self.folder.iterdir())
        count = sum(source.fingerprint for source in sources)
        return BuildReport({'all': Group(count, stored, None, {})}, len(sources) - len(left))

    def publish(self) -> None:
        """Move the folder into its place."""
        publish(self.target)
        self._record.unlink(missing_ok=True)
