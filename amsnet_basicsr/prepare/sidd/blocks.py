"""SIDD's validation and benchmark blocks: from MATLAB files to folders of PNGs or LMDBs."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from amsnet_basicsr.prepare.build_records import Choices, Made, Source
from amsnet_basicsr.prepare.image_patches import encode_patch
from amsnet_basicsr.prepare.lmdb_build import open_build
from amsnet_basicsr.prepare.mat_blocks import BLOCK, GRID, MatBlocks, block_name, open_blocks, variables
from amsnet_basicsr.prepare.outputs import human_bytes, refuse_existing
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import name_some, one_line, say
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


def write_blocks(files: Mapping[str, Path], wanted: Mapping[str, str], target: Path, to: str, choices: Choices) -> str:
    """Write blocks as PNGs `II_JJ.png` (image, block, counted from 1) in folders or LMDBs; returns what was made.

    Args:
        files: MATLAB files by role, see `find_mat_files`.
        wanted: Names of the variables by role.
        target: Folder to write `noisy` and `clean` in; with `to='lmdb'`, `noisy.lmdb` and `clean.lmdb`.
        to: 'folder' or 'lmdb'.
        choices: How to run.
    """
    targets = {role: target / (role if to == 'folder' else f'{role}.lmdb') for role in files}
    for path in targets.values():
        refuse_existing(path, choices.overwrite)
    with ExitStack() as stack:
        blocks = {role: stack.enter_context(open_blocks(path, wanted[role])) for role, path in files.items()}
        shapes = {role: array.shape for role, array in blocks.items()}
        if len(set(shapes.values())) > 1:
            raise UserError(' and '.join(f'{files[role]} {shape}' for role, shape in shapes.items()) + ' do not match')
        shape = next(iter(shapes.values()))
        if shape != (*GRID, *BLOCK):
            say(f'Warning: {"×".join(map(str, shape))} values found; SIDD has 40×32×256×256×3')
        needed = float(np.prod(shape)) * (1 + (to == 'folder'))  # a folder is unpacked from an LMDB
        builds = {}
        for role, source in files.items():
            settings = {'of': source.name, 'bytes': source.stat().st_size, 'shape': shape}
            builds[role] = stack.enter_context(open_build(targets[role], settings, choices, needed))
        for role, build in builds.items():
            build.fill([
                Source(f'{i + 1:02d}', f'image {i + 1}', shape[1], partial(encode_image, blocks[role], i))
                for i in range(shape[0])
            ])  # fmt: skip
        for build in builds.values():  # only now, so that a run killed between the two can be resumed
            build.publish(shape[2:4])
    return '; '.join(f'{build.target}: {build.images} blocks, {human_bytes(build.stored)}' for build in builds.values())


def encode_image(blocks: MatBlocks, index: int) -> Made:
    """Encode the blocks of one image as PNGs."""
    return Made({
        block_name(index, number): encode_patch(block)
        for number, block in enumerate(blocks.image(index))
    })  # fmt: skip
