"""SIDD's validation and benchmark blocks: MATLAB files of both formats to PNGs and LMDBs."""

import shutil
import struct
import zlib
from pathlib import Path

import cv2
import h5py
import lmdb
import numpy as np
import pytest
import scipy.io

from amsnet_basicsr.prepare.mat_blocks import open_blocks
from amsnet_basicsr.utils.errors import UserError
from tests.conftest import REPOSITORY
from tests.prepare.test_sidd_medium import refused

SCRIPT = REPOSITORY / 'scripts' / 'prepare_sidd.py'
NOISY, CLEAN = 'ValidationNoisyBlocksSrgb', 'ValidationGtBlocksSrgb'


def random_blocks(seed: int, shape: tuple[int, ...] = (3, 2, 12, 10, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save_v73(path: Path, name: str, array: np.ndarray) -> None:
    """Write an array as MATLAB's -v7.3 does: HDF5 behind a header of 512 bytes, axes reversed, compressed chunks."""
    with h5py.File(path, 'w', userblock_size=512) as file:
        dataset = file.create_dataset(name, data=array.T, chunks=True, compression='gzip')
        dataset.attrs['MATLAB_class'] = np.bytes_(b'uint8')
    with path.open('r+b') as file:
        header = b'MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2018 HDF5 schema 1.00 .'
        file.write(header.ljust(124) + b'\x00\x02IM')


@pytest.fixture
def prepare(run_script):
    return run_script(SCRIPT)


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    """The noisy blocks in version 7.3, the clean ones in version 5."""
    save_v73(tmp_path / f'{NOISY}.mat', NOISY, random_blocks(0))
    scipy.io.savemat(tmp_path / f'{CLEAN}.mat', {CLEAN: random_blocks(1)}, do_compression=True)
    return tmp_path / f'{NOISY}.mat', tmp_path / f'{CLEAN}.mat'


def test_both_formats_hold_the_same(tmp_path):
    array = random_blocks(0, (2, 3, 5, 4, 3))
    save_v73(tmp_path / 'new.mat', NOISY, array)
    scipy.io.savemat(tmp_path / 'old.mat', {NOISY: array})
    for name in ('new', 'old'):
        with open_blocks(tmp_path / f'{name}.mat', NOISY) as blocks:
            assert blocks.shape == (2, 3, 5, 4, 3)
            assert all(np.array_equal(blocks.image(index), array[index]) for index in range(2))


def test_folders_of_pairs_are_what_the_options_expect(prepare, files, tmp_path):
    result = prepare('validation', files[1], files[0])  # in any order
    assert result.returncode == 0, result.stderr
    assert 'Warning: 3×2×12×10×3 values found; SIDD has 40×32×256×256×3' in result.stdout
    assert result.stdout.endswith('Next: python basicsr/test.py -opt options/test_amsnet_restormer.yml\n')
    folder = tmp_path / 'datasets' / 'SIDD_validation'
    assert sorted(path.name for path in folder.iterdir()) == ['clean', 'noisy']
    for role, blocks in (('noisy', random_blocks(0)), ('clean', random_blocks(1))):
        assert sorted(path.name for path in (folder / role).iterdir()) == [
            '01_01.png', '01_02.png', '02_01.png', '02_02.png', '03_01.png', '03_02.png'
        ]  # fmt: skip
        assert np.array_equal(cv2.imread(str(folder / role / '03_01.png'))[..., ::-1], blocks[2, 0])
    refused(prepare('validation', *files), 'SIDD_validation/noisy exists already; --overwrite')
    (folder / 'some.txt').write_text('01_01.png')
    save_v73(files[0], NOISY, random_blocks(5))
    assert prepare('validation', *files, '--overwrite').returncode == 0
    assert np.array_equal(cv2.imread(str(folder / 'noisy' / '02_02.png'))[..., ::-1], random_blocks(5)[1, 1])
    assert sorted(path.name for path in folder.iterdir()) == ['clean', 'noisy', 'some.txt']


def test_lmdbs_of_pairs_load_in_basicsr(prepare, files, tmp_path):
    result = prepare('validation', tmp_path, '--to', 'lmdb', '-o', 'v')
    assert result.returncode == 0, result.stderr
    assert 'dataroot_lq: v/noisy.lmdb, dataroot_gt: v/clean.lmdb, io_backend: {type: lmdb}' in result.stdout
    from amsnet_basicsr import plugin  # noqa: F401 (lets BasicSR be imported)

    from basicsr.data.paired_image_dataset import PairedImageDataset  # isort: skip

    roots = {
        f'dataroot_{kind}': str(tmp_path / 'v' / f'{role}.lmdb') for kind, role in (('lq', 'noisy'), ('gt', 'clean'))
    }
    dataset = PairedImageDataset({'phase': 'val', 'scale': 1, 'io_backend': {'type': 'lmdb'}, **roots})
    assert len(dataset) == 6 and dataset[5]['lq_path'] == '03_02'
    for key, blocks in (('lq', random_blocks(0)), ('gt', random_blocks(1))):
        image = (dataset[5][key].numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
        assert np.array_equal(image, blocks[2, 1])


def test_benchmark_blocks(prepare, tmp_path):
    scipy.io.savemat(tmp_path / 'BenchmarkNoisyBlocksSrgb.mat', {'BenchmarkNoisyBlocksSrgb': random_blocks(3)})
    result = prepare('benchmark', 'BenchmarkNoisyBlocksSrgb.mat')
    assert result.returncode == 0, result.stderr
    noisy = tmp_path / 'datasets' / 'SIDD_benchmark' / 'noisy.lmdb'
    assert 'make_submission.py sidd -opt options/test_amsnet_restormer.yml --noisy datasets/SIDD_b' in result.stdout
    with lmdb.open(str(noisy), readonly=True, lock=False) as env, env.begin() as txn:
        values = {bytes(key).decode(): cv2.imdecode(np.frombuffer(value, np.uint8), 1) for key, value in txn.cursor()}
    assert list(values) == ['01_01', '01_02', '02_01', '02_02', '03_01', '03_02']
    assert np.array_equal(values['02_01'][..., ::-1], random_blocks(3)[1, 0])
    assert (noisy / 'meta_info.txt').read_text().startswith('01_01.png (12,10,3) 1\n')


def contents_of_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def contents_of_lmdbs(folder: Path) -> dict[str, bytes]:
    contents = {}
    for role in ('noisy', 'clean'):
        with lmdb.open(str(folder / f'{role}.lmdb'), readonly=True, lock=False) as env, env.begin() as txn:
            contents |= {f'{role}/{key.decode()}': value for key, value in txn.cursor()}
    return contents


@pytest.mark.parametrize('to', ['folder', 'lmdb'])
def test_a_killed_run_resumes_and_ends_the_same(prepare, fork_server, tmp_path, to):
    for name, seed in ((NOISY, 0), (CLEAN, 1)):
        scipy.io.savemat(tmp_path / f'{name}.mat', {name: random_blocks(seed, (40, 32, 32, 32, 3))})
    command = ['validation', f'{NOISY}.mat', f'{CLEAN}.mat', '--to', to, '--workers', '1']
    begun = 'noisy.partial/images/02_02.png' if to == 'folder' else 'clean.lmdb'
    fork_server.killed(SCRIPT, *command, '-o', 'killed', cwd=tmp_path, when=begun)
    left = {path.name for path in (tmp_path / 'killed').iterdir() if path.is_dir()}
    assert left and all(name.endswith('.partial') for name in left)
    result = prepare(*command, '-o', 'killed')
    assert result.returncode == 0, result.stderr
    assert prepare(*command, '-o', 'whole').returncode == 0
    contents = contents_of_folder if to == 'folder' else contents_of_lmdbs
    killed, whole = (contents(tmp_path / name) for name in ('killed', 'whole'))
    assert killed == whole and len(killed) == 2 * 1280
    assert sorted(path.name for path in (tmp_path / 'killed').iterdir()) == sorted(
        f'{role}{".lmdb" * (to == "lmdb")}' for role in ('clean', 'noisy')
    )


def test_another_source_is_not_mixed_in(prepare, files, tmp_path, monkeypatch):
    folder = tmp_path / 'datasets' / 'SIDD_validation'
    (folder / 'noisy.partial').mkdir(parents=True)
    (folder / 'noisy.partial' / '01_01.png').write_bytes(b'of somebody else')
    refused(prepare('validation', *files), 'noisy.partial is in the way: without settings.json')
    shutil.rmtree(folder / 'noisy.partial')
    other = shutil.copy(files[0], tmp_path / 'other.mat')

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr('amsnet_basicsr.prepare.lmdb_build.publish', stop)
        assert prepare('validation', other, files[1]).returncode == 130
    assert [path.name for path in folder.iterdir() if path.suffix != '.partial'] == []
    message = f'of other.mat instead of {NOISY}'
    refused(prepare('validation', *files), 'noisy.partial was begun with other settings', message)
    assert prepare('validation', *files, '--restart').returncode == 0
    assert np.array_equal(cv2.imread(str(folder / 'noisy' / '01_01.png'))[..., ::-1], random_blocks(0)[0, 0])


def test_mistakes_take_one_line(prepare, files, tmp_path):
    scipy.io.savemat(tmp_path / 'raw.mat', {NOISY: np.zeros((3, 2, 12, 10), np.float32)})
    scipy.io.savemat(tmp_path / 'small.mat', {CLEAN: random_blocks(1, (3, 2, 8, 10, 3))})
    scipy.io.savemat(tmp_path / 'other.mat', {'x': 1})
    (tmp_path / 'page.mat').write_text('<html>404</html>' * 100)
    (tmp_path / 'torn.mat').write_bytes(files[1].read_bytes()[:-500])
    (tmp_path / 'torn73.mat').write_bytes(files[0].read_bytes()[:1500])
    for arguments, message in (
        (('nowhere.mat',), 'there is no file nowhere.mat'),
        ((files[0],), f'{CLEAN}.mat: not found in the input'),
        ((files[0], 'other.mat'), f'other.mat holds x, but no {NOISY} or {CLEAN}: leave it out'),
        (('raw.mat', files[1]), 'raw.mat holds an array (3, 2, 12, 10) of single, where 40×32×256×256×3 of uint8'),
        ((files[0], 'small.mat'), 'small.mat (3, 2, 8, 10, 3) do not match'),
        ((files[0], files[1], 'raw.mat'), f'and raw.mat both hold {NOISY}'),
        (('page.mat', files[1]), 'page.mat is damaged, or not a MATLAB file'),
        ((files[0], 'torn.mat'), 'torn.mat is damaged, or not a MATLAB file'),
        (('torn73.mat', files[1]), 'torn73.mat is damaged, or not a MATLAB file'),
    ):
        refused(prepare('validation', *arguments), message)
    assert not list(tmp_path.rglob('*.png'))
    content = bytearray(files[0].read_bytes())
    content[-1500] ^= 1  # in the compressed data
    (tmp_path / 'flipped.mat').write_bytes(content)
    refused(prepare('validation', 'flipped.mat', files[1]), 'flipped.mat is damaged, or not a MATLAB file')
    assert not (tmp_path / 'datasets' / 'SIDD_validation' / 'noisy').exists()


def test_no_other_file_is_copied_into_the_output(prepare, files, tmp_path):
    shape = (3, 10, 12, 2, 3)
    secret = tmp_path / 'secret'
    secret.write_bytes(b'secret' * 1000)
    with h5py.File(tmp_path / 'target.h5', 'w') as file:
        file['x'] = np.zeros(shape, np.uint8)

    def external(file: h5py.File) -> None:
        file.create_dataset(NOISY, shape, np.uint8, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])

    def link(file: h5py.File) -> None:
        file[NOISY] = h5py.ExternalLink(str(tmp_path / 'target.h5'), 'x')

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(shape, np.uint8)
        layout[...] = h5py.VirtualSource(str(tmp_path / 'target.h5'), 'x', shape)
        file.create_virtual_dataset(NOISY, layout)

    def soft_link(file: h5py.File) -> None:
        file['elsewhere'] = h5py.ExternalLink(str(tmp_path / 'target.h5'), 'x')
        file[NOISY] = h5py.SoftLink('/elsewhere')

    def huge(file: h5py.File) -> None:
        file.create_dataset(NOISY, (3, 256, 256, 2**20, 40), np.uint8, chunks=(3, 256, 256, 1, 1))

    def huge_chunk(file: h5py.File) -> None:
        chunk = (3, 10, 12, 2**11, 2**11)
        file.create_dataset(NOISY, shape, np.uint8, maxshape=(None,) * 5, chunks=chunk, compression='gzip')

    def texts(file: h5py.File) -> None:
        file.create_dataset(NOISY, shape, h5py.string_dtype())

    for fill, message in (
        (external, 'stored in another file'),
        (link, 'is a link, which is not followed'),
        (soft_link, 'is a link, which is not followed'),
        (virtual, 'stored in another file'),
        (huge, 'claims 8246337208320 values'),
        (huge_chunk, 'claims 1509949440 values'),
        (texts, 'holds values of any length, not numbers'),
    ):
        with h5py.File(tmp_path / 'hostile.mat', 'w') as file:
            fill(file)
        refused(prepare('validation', 'hostile.mat', files[1]), 'hostile.mat', message)
    assert not list(tmp_path.rglob('*.png'))


def test_files_of_version_5_are_bounded_before_they_are_unpacked(prepare, files, tmp_path, monkeypatch):
    """What an element holds need not be what its header says: 4 MB unpack to 4 GiB."""
    monkeypatch.setattr('amsnet_basicsr.prepare.mat_blocks.MOST_BYTES', 10_000)
    scipy.io.savemat(tmp_path / 'cells.mat', {NOISY: np.array([np.zeros(1000, np.uint8)], object)}, do_compression=True)
    refused(prepare('validation', 'cells.mat', files[1]), 'cells.mat holds an array (1, 1000) of', 'is expected')
    packed = tmp_path / 'packed.mat'
    scipy.io.savemat(packed, {NOISY: np.zeros((1, 1, 100, 100, 3), np.uint8)}, do_compression=True)
    with packed.open('r+b') as file:
        file.seek(128)
        content = bytearray(zlib.decompress(file.read()[8:]))
        place = content.index(struct.pack('<5i', 1, 1, 100, 100, 3))
        content[place : place + 20] = struct.pack('<5i', 1, 1, 2, 2, 3)  # claims next to nothing
        squeezed = zlib.compress(bytes(content))
        file.seek(128)
        file.write(struct.pack('<II', 15, len(squeezed)) + squeezed)
        file.truncate()
    refused(prepare('validation', 'packed.mat', files[1]), 'packed.mat unpacks to more than any file that is read here')


def test_a_file_over_which_scipy_crashes_is_refused_in_a_line(tmp_path):
    path = tmp_path / 'a.mat'
    scipy.io.savemat(path, {NOISY: random_blocks(0)})
    content = bytearray(path.read_bytes())
    place = content.index(NOISY.encode()) + 32  # the tag of the values: their type
    assert content[place] == 2
    content[place : place + 4] = b'\xff\xff\xff\x7f'
    path.write_bytes(content)
    with pytest.raises(UserError, match=r'a\.mat is damaged'), open_blocks(path, NOISY):
        pass
