"""The blocks of SIDD's validation and benchmark sets, in MATLAB files of either format."""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line

#: Images and blocks of each, in both sets.
GRID = (40, 32)
#: Most bytes of an array that is read: four times the published ones. A small file may claim any number.
MOST_BYTES = 2**30
#: Shape of a block.
BLOCK = (256, 256, 3)
_COMPRESSED = 15  # an element of a MATLAB file of version 5


def block_name(image: int, block: int) -> str:
    """Name a block by its indices from 0: `II_JJ` counted from 1, as MATLAB does, `01_01` to `40_32`."""
    return f'{image + 1:02d}_{block + 1:02d}'


@dataclass(frozen=True)
class MatBlocks:
    """An array of blocks, (images, blocks, H, W, 3) uint8 RGB.

    Attributes:
        shape: Its shape.
        image: Reads the blocks of one image, (blocks, H, W, 3), by its index.
    """

    shape: tuple[int, ...]
    image: Callable[[int], np.ndarray]


def variables(path: Path) -> list[str]:
    """List the variables of a MATLAB file, version 5 or 7.3."""
    if not path.is_file():
        raise UserError(f'there is no file {path}')
    with damage_told(path):
        if not h5py.is_hdf5(path):
            return [name for name, _, _ in scipy.io.whosmat(path)]
        with h5py.File(path) as file:
            return [name for name in file if not name.startswith('#')]


@contextmanager
def open_blocks(path: Path, name: str) -> Iterator[MatBlocks]:
    """Open the blocks that a MATLAB file holds under a name that is one of its `variables`.

    A file of version 7.3 (HDF5) is read image by image, an older one at once (252 MB).
    """
    if not h5py.is_hdf5(path):
        _check_v5(path, name)
        # In a process of its own: over some damaged files scipy's reader ends the process.
        with damage_told(path), ProcessPoolExecutor(1) as pool:
            array = pool.submit(_load_array, path, name).result()
        _check_kind(path, array.shape, array.dtype)
        yield MatBlocks(array.shape, array.__getitem__)
        return
    with ExitStack() as stack:
        with damage_told(path):
            stored = inner_object(stack.enter_context(h5py.File(path)), name, path)
        shape = getattr(stored, 'shape', ())[::-1]  # HDF5 has the axes reversed
        _check_kind(path, shape, getattr(stored, 'dtype', 'structs'))

        def read(index: int) -> np.ndarray:
            with damage_told(path):
                return stored[..., index].transpose()

        yield MatBlocks(shape, read)


def _load_array(path: Path, name: str) -> np.ndarray:
    return np.asarray(scipy.io.loadmat(path, variable_names=[name])[name])


def _check_v5(path: Path, name: str) -> None:
    """Refuse an array of a file before version 7.3 by its header, and data that unpack to more than it can hold.

    A few megabytes can unpack to gigabytes, whatever the header says.
    """
    with damage_told(path):
        shape, kind = next((shape, kind) for found, shape, kind in scipy.io.whosmat(path) if found == name)
    _check_kind(path, shape, kind)
    with damage_told(path), path.open('rb') as file:
        order = '<' if file.read(128)[126:] == b'IM' else '>'
        while len(tag := file.read(8)) == 8:
            element, length = struct.unpack(f'{order}II', tag)
            if element != _COMPRESSED:
                file.seek(length, os.SEEK_CUR)
                continue
            unpacker, unpacked = zlib.decompressobj(), 0
            for start in range(0, length, 2**16):
                unpacked += len(unpacker.decompress(file.read(min(2**16, length - start))))
                if unpacked > MOST_BYTES:
                    raise UserError(f'{path} unpacks to more than any file that is read here')


def _check_kind(path: Path, shape: tuple[int, ...], dtype: object) -> None:
    """Refuse all but (images, blocks, H, W, 3) uint8."""
    if len(shape) != 5 or shape[-1] != 3 or str(dtype) != 'uint8':
        raise UserError(
            f'{path} holds an array {shape} of {dtype}, where 40×32×256×256×3 of uint8 is expected: take the file of '
            'the sRGB blocks'
        )
    if np.prod(shape, dtype=float) > MOST_BYTES:
        raise UserError(f'{path} claims {"×".join(map(str, shape))} values; SIDD has 40×32×256×256×3')


def inner_object(file: h5py.File, name: str, path: Path) -> h5py.Dataset | h5py.Group:
    """Open a group or dataset that lies in an HDF5 file itself.

    A dataset may name any other file as its storage, by a link, as external or as virtual: reading it would copy that
    file into the output.

    Raises:
        UserError: If it lies elsewhere, or claims more than any that is read here has.
        KeyError: If there is no such object.
    """
    parts = name.split('/')
    for count in range(1, len(parts) + 1):
        if file.id.links.get_info('/'.join(parts[:count]).encode()).type != h5py.h5l.TYPE_HARD:
            raise UserError(f'{path}: {one_line(name)} is a link, which is not followed')
    return checked_object(file[name], path)


def checked_object(found: h5py.Dataset | h5py.Group, path: Path) -> h5py.Dataset | h5py.Group:
    """Refuse a dataset as `inner_object` does."""
    if isinstance(found, h5py.Dataset):
        if found.external or found.is_virtual:
            raise UserError(f'{path}: {one_line(found.name)} is stored in another file, which is not read')
        if found.dtype.hasobject and h5py.check_ref_dtype(found.dtype) is None:
            raise UserError(f'{path}: {one_line(found.name)} holds values of any length, not numbers')
        largest = max(found.size, int(np.prod(found.chunks or (), dtype=float)))  # a chunk is unpacked whole
        if largest * found.dtype.itemsize > MOST_BYTES:
            raise UserError(
                f'{path}: {one_line(found.name)} claims {largest} values, more than any that is read here has'
            )
    return found


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
