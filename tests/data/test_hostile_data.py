"""Data sets of damaged, odd and hostile files: a right result, or one line that names the file."""

import os
import shutil
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.data import NoisyImageDataset
from amsnet_basicsr.data.paired_photos_dataset import PairedPhotosDataset
from tests.conftest import noisy_image
from tests.hostile_files import png_that_claims


def dataset(root: Path | str, **options) -> NoisyImageDataset:
    return NoisyImageDataset({'name': 'test', 'phase': 'val', 'dataroot_lq': str(root), **options})


def put(folder: Path, name: bytes, seed: int) -> np.ndarray:
    """Write an image under any name, and return what must be read."""
    folder.mkdir(parents=True, exist_ok=True)
    image = noisy_image(24, 32, seed)
    with open(os.path.join(os.fsencode(folder), name), 'wb') as file:
        file.write(cv2.imencode('.png', image)[1].tobytes())
    return image[..., ::-1] / np.float32(255)


ODD_NAMES = (
    b'with space.png', 'zoë 写真.png'.encode(), b'a.b.png', b'a.c.png', b'line\nend.png', b'-o.png', b'[1].png',
    b'caf\xe9.png', b'\x1b[31m.png', b'x' * 251 + b'.png', b'1.png', b'1.jpg',
)  # fmt: skip


def test_any_name_will_do(tmp_path):
    expected = {name: put(tmp_path, name, seed) for seed, name in enumerate(ODD_NAMES)}
    images = dataset(tmp_path)
    found = [images[index] for index in range(len(images))]
    assert len(found) == len(ODD_NAMES) == len({item['lq_path'] for item in found})
    for item in found:
        item['lq_path'].encode()  # whatever writes it later takes text only
        name = os.path.basename(item['lq_path']).replace('caf\\xe9', 'caf\udce9')
        assert np.array_equal(item['lq'].permute(1, 2, 0).numpy(), expected[os.fsencode(name)])


def test_names_come_from_lists_too(tmp_path):
    put(tmp_path / 'in', b'caf\xe9.png', 0)
    put(tmp_path / 'in', b'with space.png', 1)
    listing = tmp_path / 'list.txt'
    listing.write_bytes(b'caf\xe9.png\nwith space.png (24,32,3) 1\n\n')
    assert len(dataset(tmp_path / 'in', meta_info_file=str(listing))) == 2
    listing.write_bytes(b'\x89PNG\r\n\0\0\0\rIHDR')
    with pytest.raises(ValueError, match=r'list\.txt, line 2: this is no name of an image'):
        dataset(tmp_path / 'in', meta_info_file=str(listing))


def test_what_is_no_file_neither_hangs_nor_hides(tmp_path):
    put(tmp_path / 'in', b'good.png', 0)
    put(tmp_path / 'in' / 'folder.png', b'inside.png', 1)
    os.mkfifo(tmp_path / 'in' / 'pipe.png')
    (tmp_path / 'in' / 'broken.png').symlink_to('nowhere.png')
    (tmp_path / 'in' / 'itself.png').symlink_to('itself.png')
    (tmp_path / 'in' / 'device.png').symlink_to('/dev/zero')
    (tmp_path / 'in' / 'loop').symlink_to('.')
    (tmp_path / 'in' / 'new\nline.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match='5 of 7 images cannot be used') as caught:
        dataset(tmp_path / 'in')
    lines = {line.split('/in/')[1] for line in str(caught.value).splitlines() if '/in/' in line}
    assert lines == {
        'pipe.png: it is no regular file',
        'device.png: it is no regular file',
        'broken.png: it is a link to nothing',
        'itself.png: it is a link to nothing',
        'new\\nline.png: not an image in a format that can be read',
    }
    kept = dataset(tmp_path / 'in', on_bad_image='skip')
    assert [Path(entry.path).name for entry in kept.entries] == ['inside.png', 'good.png']


def test_a_pair_with_a_pipe_or_a_bomb_is_told_at_the_start(tmp_path):
    put(tmp_path, b'1_Real.png', 0)
    options = {'name': 'pairs', 'phase': 'val', 'dataroot': str(tmp_path)}
    os.mkfifo(tmp_path / '1_mean.png')
    with pytest.raises(ValueError, match=r'1_mean\.png: it is no regular file'):
        PairedPhotosDataset(options)
    (tmp_path / '1_mean.png').unlink()
    (tmp_path / '1_mean.png').write_bytes(png_that_claims(60000, 60000))
    with pytest.raises(ValueError, match=r'1_mean\.png: it says it has 60000×60000 pixels'):
        PairedPhotosDataset(options)


@pytest.mark.parametrize('share', [0, 0.001, 0.3, 0.7, 0.9])
def test_a_torn_lmdb_is_told_before_it_is_read(make_folder, make_lmdb, share):
    """Reading beyond the end of a mapped file would end the process by a signal, not an error."""
    path = make_lmdb(make_folder('noisy'))
    content = (path / 'data.mdb').read_bytes()
    (path / 'data.mdb').write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match='is damaged') as caught:
        dataset(path)
    assert str(path) in str(caught.value) and 'copy or make it again' in str(caught.value)


def test_other_damage_of_an_lmdb(make_folder, make_lmdb, tmp_path):
    path = make_lmdb(make_folder('noisy'))
    content = (path / 'data.mdb').read_bytes()
    for damage in (b'hello ' * 5000, bytes(len(content))):
        other = tmp_path / f'{damage[0]}.lmdb'
        shutil.copytree(path, other)
        (other / 'data.mdb').write_bytes(damage)
        with pytest.raises(ValueError, match='is damaged, or no LMDB'):
            dataset(other)
        shutil.rmtree(other)
    (path / 'meta_info.txt').unlink()
    with pytest.raises(FileNotFoundError, match=r'noisy\.lmdb/meta_info\.txt'):
        dataset(path)


@pytest.mark.skipif(
    int(lmdb.__version__.split('.')[0]) < 3, reason='lmdb 1.3 trusts the insides of a file, and crashes'
)
def test_pages_of_an_lmdb_that_are_none(make_folder, make_lmdb):
    path = make_lmdb(make_folder('noisy'))
    content = (path / 'data.mdb').read_bytes()
    (path / 'data.mdb').write_bytes(content[:8192] + b'\xff' * (len(content) - 8192))
    with pytest.raises(ValueError, match='is damaged, or no LMDB'):
        dataset(path)


def test_names_with_dots_never_share_a_key_silently(make_folder, make_lmdb):
    """BasicSR's key is what stands before the first dot."""
    path = make_lmdb(make_folder('noisy'))
    with open(path / 'meta_info.txt', 'a', encoding='utf-8') as file:
        file.write('im0.sharp.png (64,72,3) 1\n')
    with pytest.raises(ValueError, match=r'im0\.png and im0\.sharp\.png, which are one image to BasicSR'):
        dataset(path)
    (path / 'meta_info.txt').write_text('im1.png (64,72,3) 1\n.png (64,72,3) 1\n' + 'x' * 600 + '.png\n')
    with pytest.raises(ValueError, match='2 of 3 images cannot be used'):
        dataset(path)
