"""The blocks of SIDD's validation and benchmark sets, in MATLAB files of either format."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from amsnet_basicsr.utils.errors import UserError

#: Images and blocks of each, in both sets.
GRID = (40, 32)
#: Most values of an array that is read: four times the published ones. A small file may claim any number.
MOST_VALUES = 2**30
#: Shape of a block.
BLOCK = (256, 256, 3)


def block_name(image: int, block: int) -> str:
    """Name a block by its indices from 0: `II_JJ` counted from 1, as MATLAB does, `01_01` to `40_32`."""
    return f'{image + 1:02d}_{block + 1:02d}'


class MatBlocks:
    """An array of blocks, (images, blocks, H, W, 3) uint8 RGB; an image's blocks are read when they are asked for.

    Args:
        array: The array, or an HDF5 dataset, whose axes are reversed.
        path: Where it comes from, for errors.
    """

    def __init__(self, array: np.ndarray | h5py.Dataset, path: Path) -> None:
        self._array, self._path = array, path
        self.shape: tuple[int, ...] = array.shape[::-1] if isinstance(array, h5py.Dataset) else array.shape

    def image(self, index: int) -> np.ndarray:
        """Read the blocks of one image, (blocks, H, W, 3)."""
        if not isinstance(self._array, h5py.Dataset):
            return self._array[index]
        with damage_told(self._path):
            return self._array[..., index].transpose()


def variables(path: Path) -> list[str]:
    """List the variables of a MATLAB file, version 5 or 7.3."""
    return list(_shapes_of(path))


@contextmanager
def open_blocks(path: Path, names: Sequence[str]) -> Iterator[MatBlocks]:
    """Open the blocks that a MATLAB file holds.

    Args:
        path: The file. One of version 7.3 (HDF5) is read image by image, an older one at once (252 MB).
        names: Names that the variable may have.

    Yields:
        The blocks.

    Raises:
        UserError: If the file is missing or damaged, has no such variable, or one of another kind.
    """
    found = _shapes_of(path)
    name = next((name for name in names if name in found), None)
    if name is None:
        raise UserError(f'{path} holds {", ".join(found) or "nothing"}, but no {" or ".join(names)}')
    if np.prod(found[name], dtype=float) > MOST_VALUES:
        raise UserError(f'{path} claims {"×".join(map(str, found[name]))} values; SIDD has 40×32×256×256×3')
    if not h5py.is_hdf5(path):
        with damage_told(path):
            array = scipy.io.loadmat(path, variable_names=[name])[name]
        yield _checked(array, path)
        return
    with damage_told(path):
        file = h5py.File(path)
    with file:
        yield _checked(inner_object(file, name, path), path)


def _shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Read names and shapes of a MATLAB file's variables."""
    if not path.is_file():
        raise UserError(f'there is no file {path}')
    with damage_told(path):
        return _read_shapes(path)


def _read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    if not h5py.is_hdf5(path):
        return {name: shape for name, shape, _ in scipy.io.whosmat(path)}
    with h5py.File(path) as file:
        names = [name for name in file if not name.startswith('#')]
        return {name: getattr(inner_object(file, name, path), 'shape', ()) for name in names}


def inner_object(file: h5py.File, name: str, path: Path) -> h5py.Dataset | h5py.Group:
    """Open a group or dataset that lies in an HDF5 file itself.

    A dataset may name any other file as its storage, by a link, as external or as virtual: reading it would copy that
    file into the output.

    Raises:
        UserError: If it lies elsewhere, or claims more values than any that is read here has.
        KeyError: If there is no such object.
    """
    parts = name.split('/')
    for count in range(1, len(parts) + 1):
        if file.id.links.get_info('/'.join(parts[:count]).encode()).type != h5py.h5l.TYPE_HARD:
            raise UserError(f'{path}: {name} is a link, which is not followed')
    return checked_object(file[name], path)


def checked_object(found: h5py.Dataset | h5py.Group, path: Path) -> h5py.Dataset | h5py.Group:
    """Refuse a dataset as `inner_object` does."""
    if isinstance(found, h5py.Dataset):
        if found.external or found.is_virtual:
            raise UserError(f'{path}: {found.name} is stored in another file, which is not read')
        if found.size > MOST_VALUES:
            raise UserError(f'{path}: {found.name} claims {found.size} values, more than any that is read here has')
    return found


def _checked(array: Any, path: Path) -> MatBlocks:
    blocks = MatBlocks(array, path) if getattr(array, 'ndim', 0) == 5 and array.dtype == np.uint8 else None
    if blocks is None or blocks.shape[-1] != 3:
        raise UserError(
            f'{path} holds an array {getattr(array, "shape", "")} of {getattr(array, "dtype", "structs")}, where '
            '40×32×256×256×3 of uint8 is expected: take the file of the sRGB blocks'
        )
    return blocks


@contextmanager
def damage_told(path: Path, kind: str = 'not a MATLAB file') -> Iterator[None]:
    """Turn whatever a reader raises over a damaged file into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        what = error.strerror if isinstance(error, OSError) else None
        raise UserError(f'{path} {f"cannot be read: {what}" if what else f"is damaged, or {kind}"}') from error
