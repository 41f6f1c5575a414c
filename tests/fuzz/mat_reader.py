"""Fuzz what reads MATLAB's files, of version 5 (scipy) and 7.3 (HDF5): SIDD's blocks, DND's images."""

import sys
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from amsnet_basicsr.prepare.mat_blocks import open_blocks, variables
from amsnet_basicsr.prepare.submission.dnd import read_crop
from amsnet_basicsr.utils.errors import UserError
from tests.fuzz.in_a_child import fuzz
from tests.fuzz.mutations import damaged
from tests.prepare.test_sidd_blocks import NOISY, random_blocks, save_v73


def seeds(folder: Path) -> list[bytes]:
    """Make valid files of each version."""
    blocks, files = random_blocks(0, (3, 2, 6, 5, 3)), []
    path = folder / 'seed.mat'
    for compress in (False, True):
        scipy.io.savemat(path, {NOISY: blocks, 'other': 'text'}, do_compression=compress)
        files.append(path.read_bytes())
    save_v73(path, NOISY, blocks)
    files.append(path.read_bytes())
    with h5py.File(path, 'w') as file:
        file['InoisySRGB'] = np.random.default_rng(0).random((3, 9, 8), np.float32)
    files.append(path.read_bytes())
    return files


def check(path: Path, content: bytes) -> None:
    """An array comes out, or the error that the callers know, in one line with the name."""
    path.write_bytes(content)
    try:
        assert all(isinstance(name, str) for name in variables(path))
        with open_blocks(path, NOISY) as blocks:
            for index in range(min(blocks.shape[0], 3)):
                assert blocks.image(index).dtype == np.uint8
    except UserError as error:
        _one_line(error, path)
    try:
        assert read_crop(path, (1, 1, 4, 4)).shape == (4, 4, 3)
    except UserError as error:
        _one_line(error, path)


def _one_line(error: UserError, path: Path) -> None:
    text = str(error)
    assert text.startswith(str(path)) and text.isprintable() and len(text) < 1000, repr(text[:3000])


if __name__ == '__main__':
    scratch = Path(sys.argv[1])
    fuzz(damaged(seeds(scratch)), check, scratch, quick=200)
