"""SIDD's validation and benchmark blocks: from MATLAB files to folders of PNGs or LMDBs."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from amsnet_basicsr.images import png
from amsnet_basicsr.prepare.build_lmdb import BuildReport, Choices, Source, fill_partial
from amsnet_basicsr.prepare.errors import PrepareError
from amsnet_basicsr.prepare.mat_blocks import BLOCK, GRID, MatBlocks, block_name, open_blocks, variables
from amsnet_basicsr.prepare.resumable_lmdb import Listing
from amsnet_basicsr.prepare.whole_output import (
    check_space,
    compare_settings,
    discard,
    only_run,
    partial_path,
    publish,
    refuse_existing,
)
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.parallel import available_cores, ordered_map

#: The names that the variables have, and the files that hold them.
VALIDATION = {'noisy': 'ValidationNoisyBlocksSrgb', 'clean': 'ValidationGtBlocksSrgb'}
BENCHMARK = {'noisy': 'BenchmarkNoisyBlocksSrgb'}


def find_mat_files(inputs: Sequence[Path], wanted: Mapping[str, str]) -> dict[str, Path]:
    """Find out which file holds which variable.

    Args:
        inputs: MATLAB files in any order, or folders in which files of the published names lie, however deep.
        wanted: Variables by role.

    Returns:
        Files by role.

    Raises:
        PrepareError: If one is missing, or there are two of it.
    """
    found: dict[str, Path] = {}
    candidates: list[Path] = []
    for path in inputs:
        if path.is_dir():
            names = [f'{name}.mat'.lower() for name in wanted.values()]
            candidates += [file for file in sorted(path.rglob('*')) if file.name.lower() in names]
        else:
            candidates.append(path)
    for path in candidates:
        held = variables(path)
        roles = [role for role, name in wanted.items() if name in held]
        if not roles:
            raise PrepareError(
                f'{path} holds {", ".join(held) or "nothing"}, but no {" or ".join(wanted.values())}: leave it out'
            )
        for role in roles:
            if found.setdefault(role, path) != path:
                raise PrepareError(f'{found[role]} and {path} both hold {wanted[role]}: give one of them')
    missing = [name for role, name in wanted.items() if role not in found]
    if missing:
        raise PrepareError(f'{" and ".join(f"{name}.mat" for name in missing)}: not found in the input')
    return found


def write_blocks(
    files: Mapping[str, Path], wanted: Mapping[str, str], target: Path, to: str, choices: Choices | None = None
) -> dict[str, BuildReport]:
    """Write blocks as PNGs `II_JJ.png` (image, block, counted from 1) in folders or LMDBs.

    Args:
        files: MATLAB files by role, see `find_mat_files`.
        wanted: Names of the variables by role.
        target: Folder to write `noisy` and `clean` in; with `to='lmdb'`, `noisy.lmdb` and `clean.lmdb`.
        to: 'folder' or 'lmdb'.
        choices: How to go about it.

    Returns:
        What was made, by role.

    Raises:
        PrepareError: If there is something to mend.
    """
    choices = choices or Choices()
    fill = {'folder': _fill_folder, 'lmdb': _fill_lmdb}[to]
    targets = {role: target / (role if to == 'folder' else f'{role}.lmdb') for role in files}
    for path in targets.values():
        refuse_existing(path, choices.overwrite)
    with ExitStack() as stack:
        for path in targets.values():
            stack.enter_context(only_run(partial_path(path)))
        blocks = {role: stack.enter_context(open_blocks(path, [wanted[role]])) for role, path in files.items()}
        shapes = {role: array.shape for role, array in blocks.items()}
        if len(set(shapes.values())) > 1:
            raise PrepareError(
                ' and '.join(f'{files[role]} {shape}' for role, shape in shapes.items()) + ' do not match'
            )
        shape = next(iter(shapes.values()))
        if shape != (*GRID, *BLOCK):
            choices.say(f'Warning: {"×".join(map(str, shape))} values found; SIDD has 40×32×256×256×3')
        reports = {}
        for role, array in blocks.items():
            source = files[role]
            settings = {'of': source.name, 'bytes': source.stat().st_size, 'shape': list(shape)}
            reports[role] = fill(array, settings, targets[role], choices)
        # Only now, so that a run that is killed between the two can be gone on with.
        for path in targets.values():
            publish(partial_path(path), path)
            _record(path).unlink(missing_ok=True)
    return reports


def encode_image(blocks: MatBlocks, index: int) -> dict[str, bytes]:
    """Encode the blocks of one image.

    Args:
        blocks: All blocks.
        index: Index of the image, from 0.

    Returns:
        PNGs by name.
    """
    return {
        block_name(index, number): png.encode_noise(np.ascontiguousarray(block[..., ::-1]))
        for number, block in enumerate(blocks.image(index))
    }


def _fill_lmdb(blocks: MatBlocks, settings: Mapping[str, Any], target: Path, choices: Choices) -> BuildReport:
    images, count, height, width = blocks.shape[:4]

    def listing(index: int) -> Listing:
        return ((block_name(index, number), (height, width)) for number in range(count))

    sources = [
        Source(f'{i + 1:02d}', f'image {i + 1}', None, partial(encode_image, blocks, i), partial(listing, i))
        for i in range(images)
    ]
    return fill_partial(target, sources, settings, int(np.prod(blocks.shape)), choices)


def _fill_folder(blocks: MatBlocks, settings: Mapping[str, Any], target: Path, choices: Choices) -> BuildReport:
    folder, record = partial_path(target), _record(target)
    if choices.restart:
        discard(folder)
    if not choices.ignore_space:
        check_space(int(np.prod(blocks.shape)), target.parent)
    folder.mkdir(parents=True, exist_ok=True)
    compare_settings(folder, record, settings, any(folder.iterdir()))
    for path in folder.glob('.*.tmp'):  # of a run that was killed
        path.unlink()
    images, count = blocks.shape[:2]
    left = [
        index
        for index in range(images)
        if not all((folder / f'{block_name(index, number)}.png').is_file() for number in range(count))
    ]

    def write(index: int) -> None:
        for name, content in encode_image(blocks, index).items():
            with atomic_write(folder / f'{name}.png') as file:
                file.write(content)

    with tqdm(total=images, initial=images - len(left), unit='image', disable=None) as bar:
        for _ in ordered_map(write, left, choices.workers or available_cores()):
            bar.update()
    stored = sum(path.stat().st_size for path in folder.iterdir())
    return BuildReport(images, images * count, stored, images - len(left))


def _record(target: Path) -> Path:
    """Where the settings of an unfinished folder are: beside it, as BasicSR takes every file in it for an image."""
    return partial_path(target).with_suffix('.partial.json')
