"""Fuzz what reads LMDBs: the list of images, the pages, the images themselves."""

import sys
from pathlib import Path

import cv2
import lmdb
from hypothesis import strategies as st

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.data import NoisyImageDataset, lmdb_env
from tests.conftest import noisy_image
from tests.fuzz.in_a_child import fuzz
from tests.fuzz.mutations import damaged


def seeds(folder: Path) -> tuple[bytes, bytes]:
    """Make a valid LMDB of three images: its pages and its list."""
    with lmdb.open(str(folder / 'seed.lmdb'), map_size=2**20) as environment, environment.begin(write=True) as written:
        for number in range(3):
            written.put(f'{number}'.encode(), cv2.imencode('.png', noisy_image(16, 20, number))[1].tobytes())
    pages = (folder / 'seed.lmdb' / 'data.mdb').read_bytes()
    return pages, b''.join(b'%d.png (16,20,3) 1\n' % number for number in range(3))


def inputs(folder: Path) -> st.SearchStrategy[tuple[bytes, bytes]]:
    """Damage the pages or the list."""
    pages, listing = seeds(folder)
    return st.one_of(
        st.tuples(damaged([pages]), st.just(listing)),
        st.tuples(damaged([pages]), st.just(listing)),
        st.tuples(st.just(pages), damaged([listing])),
    )


def check(path: Path, data: tuple[bytes, bytes]) -> None:
    """Images come out, or an error that training tells in a line."""
    root = path.with_suffix('.lmdb')
    root.mkdir(exist_ok=True)
    (root / 'data.mdb').write_bytes(data[0])
    (root / 'meta_info.txt').write_bytes(data[1])
    try:
        images = NoisyImageDataset({
            'name': 'x', 'phase': 'val', 'dataroot_lq': str(root), 'io_backend': {'type': 'lmdb'},
        })  # fmt: skip
        for index in range(len(images)):
            try:
                assert images[index]['lq'].shape[0] == 3
            except (ValueError, KeyError) as error:  # what `SeededDataset` tells
                assert str(root) in str(error)
    except ValueError as error:
        assert str(root) in str(error) and len(str(error)) < 5000
    finally:
        while lmdb_env._environments:
            lmdb_env._environments.popitem()[1].close()


if __name__ == '__main__':
    scratch = Path(sys.argv[1])
    fuzz(inputs(scratch), check, scratch, quick=200)
