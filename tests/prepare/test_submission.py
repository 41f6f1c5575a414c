"""Submissions for the SIDD benchmark and DND: through a trained model, killed, resumed and read back."""

import base64
import csv
import runpy
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
import torch

from amsnet_basicsr.archs import DnCNN
from amsnet_basicsr.prepare.submission.sidd import open_noisy
from amsnet_basicsr.scheme import AsymmetricMaskDenoiser, PartitionAverage
from tests.conftest import REPOSITORY
from tests.pipeline.options import TINY_DNCNN, test_options, write
from tests.prepare.test_sidd_blocks import random_blocks
from tests.prepare.test_sidd_medium import refused

SCRIPT = REPOSITORY / 'scripts' / 'make_submission.py'
BENCHMARK = 'BenchmarkNoisyBlocksSrgb'


@pytest.fixture(scope='module')
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return DnCNN(**{key: value for key, value in TINY_DNCNN.items() if key != 'type'}).eval()


@pytest.fixture
def options(tmp_path, network) -> Path:
    """Test options with a refinement and trained weights; their data set does not exist and is not needed."""
    torch.save({'params_ema': network.state_dict()}, tmp_path / 'net_g.pth')
    scheme = {'refine': {'type': 'PartitionAverage', 'samples': 2}}
    return write(tmp_path / 'test.yml', test_options('nowhere', tmp_path / 'net_g.pth', scheme=scheme), plugin=True)


@pytest.fixture
def submit(run_script):
    return run_script(SCRIPT)


def by_hand(network: torch.nn.Module, image: np.ndarray, refine: PartitionAverage | None) -> np.ndarray:
    """Denoise an image, (H, W, 3) in [0, 1], by the scheme that the options describe."""
    denoiser = AsymmetricMaskDenoiser(network, refine=refine)
    return denoiser(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])[0].clamp(0, 1).permute(1, 2, 0).numpy()


def test_a_killed_sidd_submission_resumes_and_reads_back(tmp_path, network, fork_server, submit):
    torch.save({'params_ema': network.state_dict()}, tmp_path / 'net_g.pth')
    noisy = random_blocks(0, (40, 32, 8, 8, 3))
    scipy.io.savemat(tmp_path / f'{BENCHMARK}.mat', {BENCHMARK: noisy})
    plain = write(tmp_path / 'plain.yml', test_options('nowhere', tmp_path / 'net_g.pth', name='plain'))
    arguments = ['sidd', '-opt', plain, '--noisy', f'{BENCHMARK}.mat', '-o', 'out', '--authors', 'A and B']
    fork_server.killed(SCRIPT, *arguments, cwd=tmp_path, when='out/denoised/.', count=30)
    folder = tmp_path / 'out' / 'denoised'
    kept = {path: path.stat().st_mtime_ns for path in folder.glob('*.png')}
    assert 0 < len(kept) < 1280

    other = write(tmp_path / 'other.yml', test_options('nowhere', tmp_path / 'net_g.pth', scheme={'seed': 1}))
    refused(submit('sidd', '-opt', other, *arguments[3:]), 'out/denoised was begun with other settings (scheme')
    # What is there is taken as it is. Most of it needn't be denoised here, so that the test is quick.
    filled = random_blocks(9, (40, 32, 8, 8, 3))
    for i, j in np.ndindex(38, 32):
        path = folder / f'{i + 2:02d}_{j + 1:02d}.png'
        if path not in kept:
            cv2.imwrite(str(path), filled[i + 1, j][..., ::-1])
            kept[path] = path.stat().st_mtime_ns
    result = submit(*arguments)
    assert result.returncode == 0, result.stderr
    assert f'Resuming: {len(kept)} in out/denoised' in result.stdout and 'pixels; SIDD has 256×256' in result.stdout
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())

    mat = scipy.io.loadmat(tmp_path / 'out' / 'SubmitSrgb.mat')
    cells = mat['DenoisedBlocksSrgb']
    assert cells.shape == (40, 32) and cells.dtype == object and mat['TimeMPSrgb'].item() > 0
    assert mat['OptionalData']['MethodName'].item() == ['plain'] and mat['OptionalData']['Authors'].item() == [
        'A and B'
    ]
    with (tmp_path / 'out' / 'SubmitSrgb.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [int(row['ID']) for row in rows] == list(range(1280)) and list(rows[0]) == ['ID', 'BLOCK']
    assert np.array_equal(cells[38, 4], filled[38, 4])
    for i, j in ((0, 0), (0, 31), (39, 0), (39, 31)):
        expected = (by_hand(network, noisy[i, j].astype(np.float32) / 255, None) * 255).round()
        assert cells[i, j].dtype == np.uint8
        # Half a step of the 8 bits may round either way where threads share the sums differently.
        assert np.abs(cells[i, j] - expected).max() <= 1 and np.abs(cells[i, j] - noisy[i, j].astype(float)).max() > 2
        block = np.frombuffer(base64.b64decode(rows[32 * i + j]['BLOCK']), np.uint8).reshape(8, 8, 3)
        assert np.array_equal(block, cells[i, j])
    refused(submit(*arguments), 'out/SubmitSrgb.mat exists already; --overwrite')


def test_blocks_that_are_denoised_already(tmp_path, submit):
    blocks = random_blocks(0, (40, 32, 4, 4, 3))
    folder = tmp_path / 'visualization'
    folder.mkdir()
    for i, j in np.ndindex(40, 32):
        # As basicsr/test.py names them.
        cv2.imwrite(str(folder / f'{i + 1:02d}_{j + 1:02d}_test_amsnet.png'), blocks[i, j][..., ::-1])
    result = submit('sidd', '--denoised', folder, '-o', 'out')
    assert result.returncode == 0, result.stderr
    cells = scipy.io.loadmat(tmp_path / 'out' / 'SubmitSrgb.mat')['DenoisedBlocksSrgb']
    assert all(np.array_equal(cells[place], blocks[place]) for place in np.ndindex(40, 32))
    last = (tmp_path / 'out' / 'SubmitSrgb.csv').read_text().splitlines()[-1]
    assert last == f'1279,{base64.b64encode(blocks[39, 31].tobytes()).decode()}'
    with open_noisy(folder) as read:
        assert np.array_equal(read(2, 30), blocks[2, 30])
    (folder / '07_09_test_amsnet.png').rename(folder / '07_08_other.png')
    refused(submit('sidd', '--denoised', folder, '-o', 'new'), 'holds 07_08 twice: 07_08_other.png and 07_08_test')
    (folder / '07_08_other.png').write_bytes(b'')
    (folder / '07_08_other.png').rename(folder / '07_09.png')
    refused(submit('sidd', '--denoised', folder, '-o', 'new'), '07_09.png is damaged')
    (folder / '07_09.png').unlink()
    refused(submit('sidd', '--denoised', folder, '-o', 'new'), 'lacks 1 of 1280 blocks: 07_09.png')
    assert not (tmp_path / 'new' / 'SubmitSrgb.mat').exists()


def test_what_prepare_sidd_makes_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = random_blocks(1, (40, 32, 4, 6, 3))
    scipy.io.savemat(f'{BENCHMARK}.mat', {BENCHMARK: blocks})
    prepare = runpy.run_path(str(REPOSITORY / 'scripts' / 'prepare_sidd.py'))['main']
    for to in ('lmdb', 'folder'):
        assert prepare(['benchmark', f'{BENCHMARK}.mat', '--to', to]) == 0
    for source in (f'{BENCHMARK}.mat', 'datasets/SIDD_benchmark/noisy.lmdb', 'datasets/SIDD_benchmark/noisy'):
        with open_noisy(Path(source)) as read:
            assert all(np.array_equal(read(i, j), blocks[i, j]) for i, j in ((0, 0), (39, 31), (5, 0), (5, 1)))


def make_dnd(root: Path, images: int = 3, boxes: int = 2) -> dict[tuple[int, int], np.ndarray]:
    """Write a small DND in its format (MATLAB 7.3: axes reversed, cells as references) and return its crops."""
    (root / 'images_srgb').mkdir(parents=True)
    rng = np.random.default_rng(0)
    crops = {}
    with h5py.File(root / 'info.mat', 'w', userblock_size=512) as info:
        references = np.empty((1, images), h5py.ref_dtype)
        for number in range(images):
            height, width = 30 + number, 40
            image = rng.random((height, width, 3), np.float32)
            with h5py.File(root / 'images_srgb' / f'{number + 1:04d}.mat', 'w', userblock_size=512) as file:
                file['InoisySRGB'] = image.T
            corners = np.array([[1 + 2 * box, 1, 14 + 2 * box, 18] for box in range(boxes)], float)
            corners[-1] = [height - 11, width - 15, height, width]  # to the last row and column
            for box, (top, left, bottom, right) in enumerate(corners.astype(int)):
                crops[number, box] = image[top - 1 : bottom, left - 1 : right]
            info[f'#refs#/{chr(97 + number)}'] = corners.T
            references[0, number] = info[f'#refs#/{chr(97 + number)}'].ref
        info.create_dataset('info/boundingboxes', data=references, dtype=h5py.ref_dtype)
    return crops


def test_a_dnd_submission_resumes_after_an_error_and_reads_back(tmp_path, options, network, submit):
    crops = make_dnd(tmp_path / 'dnd')
    third = tmp_path / 'dnd' / 'images_srgb' / '0003.mat'
    whole = third.read_bytes()
    third.write_bytes(whole[: len(whole) // 2])
    arguments = ('dnd', '-opt', options, '--data', 'dnd', '-o', 'out')
    refused(submit(*arguments), 'dnd/images_srgb/0003.mat is damaged')
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out' / 'crops').glob('*.mat')}
    assert sorted(path.name for path in kept) == ['0001_01.mat', '0001_02.mat', '0002_01.mat', '0002_02.mat']
    third.write_bytes(whole)
    result = submit(*arguments)
    assert result.returncode == 0, result.stderr
    assert 'Resuming: 4 in out/crops' in result.stdout and 'out/bundled: 3 files with 6 crops' in result.stdout
    assert 'Warning: 3 images with 6 boxes; DND has 50 with 20 each' in result.stdout
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    assert sorted(path.name for path in (tmp_path / 'out' / 'bundled').iterdir()) == [
        '0001.mat',
        '0002.mat',
        '0003.mat',
    ]
    for (number, box), noisy in crops.items():
        bundle = scipy.io.loadmat(tmp_path / 'out' / 'bundled' / f'{number + 1:04d}.mat')
        assert bundle['Idenoised'].shape == (1, 2) and bundle['eval_version'] == ['1.0']
        assert bundle['israw'].shape == (1, 1) and not bundle['israw'].item()
        denoised = bundle['Idenoised'][0, box]
        assert denoised.dtype == np.float32 and denoised.shape == noisy.shape
        assert denoised.min() >= 0 and denoised.max() <= 1
        assert np.allclose(denoised, by_hand(network, noisy, PartitionAverage(2)), atol=1e-5) and not np.allclose(
            denoised, noisy, atol=1e-2
        )
    refused(submit(*arguments), 'out/bundled exists already; --overwrite')
    assert submit(*arguments, '--overwrite').returncode == 0


def test_mistakes_take_one_line(tmp_path, options, submit):
    make_dnd(tmp_path / 'dnd', 1)
    (tmp_path / 'half').mkdir()
    (tmp_path / 'dnd' / 'info.mat').rename(tmp_path / 'half' / 'info.mat')
    make_dnd(tmp_path / 'whole', 1)
    scipy.io.savemat(tmp_path / 'validation.mat', {'ValidationNoisyBlocksSrgb': random_blocks(0)})
    scipy.io.savemat(tmp_path / 'few.mat', {BENCHMARK: random_blocks(0)})
    scipy.io.savemat(tmp_path / 'all.mat', {BENCHMARK: random_blocks(0, (40, 32, 2, 2, 3))})
    write(tmp_path / 'typo.yml', test_options('n', tmp_path / 'net_g.pth', scheme={'brances': 2}))
    write(tmp_path / 'none.yml', test_options('n', 'gone.pth'))
    changed = {**TINY_DNCNN, 'nc': 4}
    write(tmp_path / 'other.yml', test_options('n', tmp_path / 'net_g.pth', network_g=changed))
    noisy = ('--noisy', 'all.mat')
    for arguments, message in (
        (('sidd',), 'give -opt and --noisy to denoise, or --denoised'),
        (('sidd', '-opt', options), 'give -opt and --noisy to denoise, or --denoised'),
        (('sidd', '-opt', options, '--noisy', 'gone.mat'), 'there is no file gone.mat'),
        (('sidd', '-opt', options, '--noisy', 'gone.lmdb'), 'gone.lmdb is not an LMDB'),
        (('sidd', '-opt', options, '--noisy', 'validation.mat'), f'Srgb, but no {BENCHMARK}'),
        (('sidd', '-opt', options, '--noisy', 'few.mat'), 'few.mat holds 3×2 blocks; the benchmark has 40×32'),
        (('sidd', '-opt', 'gone.yml', *noisy), 'gone.yml cannot be read'),
        (('sidd', '-opt', 'typo.yml', *noisy), "typo.yml: scheme has no option 'brances'; did you mean 'branches'?"),
        (('sidd', '-opt', 'none.yml', *noisy), 'path.pretrain_network_g: there is no file gone.pth'),
        (('sidd', '-opt', 'other.yml', *noisy), 'other.yml: network_g with the weights'),
        (('sidd', '--denoised', 'gone'), 'there is no folder gone'),
        (('dnd', '-opt', options, '--data', 'gone'), 'there is no gone/info.mat'),
        (
            ('dnd', '-opt', options, '--data', 'half'),
            '1 of 1 images are missing, the first is half/images_srgb/0001',
        ),
    ):
        refused(submit(*arguments, '-o', 'out'), message)
    (tmp_path / 'whole' / 'info.mat').write_bytes(b'x' * 1000)
    refused(
        submit('dnd', '-opt', options, '--data', 'whole', '-o', 'out'),
        "whole/info.mat is damaged, or not DND's info.mat",
    )
    assert not (tmp_path / 'out').exists()
