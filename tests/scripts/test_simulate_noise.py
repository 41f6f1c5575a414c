"""The script: pairs that BasicSR reads, the same again from the same seed, and nothing of the user's lost."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import REPOSITORY

SCRIPT = REPOSITORY / 'scripts' / 'simulate_noise.py'


@pytest.fixture(scope='module')
def main() -> Callable[[list[str]], int]:
    return runpy.run_path(str(SCRIPT))['main']


@pytest.fixture
def clean(tmp_path, monkeypatch) -> Path:
    """Three clean images: 8 bit, 16 bit in a subfolder, grey of odd size."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'clean'
    (folder / 'trip').mkdir(parents=True)
    scene = np.add.outer(np.arange(40), np.arange(56))[..., None] + np.array([60, 90, 120])
    cv2.imwrite(str(folder / 'a.png'), scene.astype(np.uint8))
    cv2.imwrite(str(folder / 'trip' / 'b.tif'), (scene * 257).astype(np.uint16))
    cv2.imwrite(str(folder / 'grey.png'), scene[:33, :41, 0].astype(np.uint8))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.fixture
def refused(main, capsys) -> Callable[[str], str]:
    """Run the command, which must fail with one line; return that."""

    def run(arguments: str) -> str:
        assert main(arguments.split()) == 1
        line = capsys.readouterr().err.rpartition('simulate_noise.py: ')[2]
        assert line.count('\n') == 1
        return line

    return run


def test_pairs_and_record(main, clean, capsys):
    main('clean -o out --camera phone --iso 800 6400 --jpeg 80 95 --pattern random --seed 5'.split())
    assert 'out: 3 noisy images of 3 scenes' in capsys.readouterr().out
    names = {'a.png', 'trip_b.png', 'grey.png'}
    assert set(contents(Path('out'))) == {f'{kind}/{name}' for kind in ('noisy', 'clean') for name in names} | {
        'simulation.json'
    }
    record = json.loads(Path('out/simulation.json').read_text(encoding='utf-8'))
    assert set(record['pictures']) == names and record['settings']['seed'] == 5
    for name, settings in record['pictures'].items():
        noisy, truth = (cv2.imread(f'out/{kind}/{name}', cv2.IMREAD_UNCHANGED) for kind in ('noisy', 'clean'))
        assert noisy.shape == truth.shape and noisy.dtype == truth.dtype == np.uint8
        scene = cv2.imread(settings['scene'])
        assert truth.shape == scene.shape
        # Upright, not mirrored, colours in order. What no sensor of this kind can see is moved a little.
        assert np.abs(truth[4:-4, 4:-4].astype(int) - scene[4:-4, 4:-4]).mean() < 4
        assert 2 < np.abs(noisy.astype(int) - truth).mean() < 40
        assert 800 <= settings['iso'] <= 6400 and 80 <= settings['jpeg'] <= 95
        assert settings['shot'] == pytest.approx(settings['iso'] / 100 / 4000)
    assert len({settings['seed'] for settings in record['pictures'].values()}) == 3


def test_same_seed_same_files_whatever_else_is_there(main, clean):
    main('clean -o one --workers 1'.split())
    main('clean -o two --workers 3'.split())
    assert contents(Path('one')) == contents(Path('two'))
    main('clean -o other --seed 1'.split())
    (clean / 'grey.png').unlink()
    main('clean -o fewer --shots 2'.split())
    one, other, fewer = (contents(Path(name)) for name in ('one', 'other', 'fewer'))
    assert one['noisy/a.png'] == fewer['noisy/a_0.png'] != fewer['noisy/a_1.png']
    assert one['clean/a.png'] == other['clean/a.png'] == fewer['clean/a_1.png']
    assert one['noisy/a.png'] != other['noisy/a.png']


def test_the_dataset_makes_the_same_images(main, clean):
    from amsnet_basicsr.data import CameraNoiseDataset

    main('clean -o out --camera large_phone --iso 400 9000 --jpeg 85 --seed 3'.split())
    options = {'camera': 'large_phone', 'iso': [400, 9000], 'jpeg': 85, 'seed': 3, 'dataroot_gt': 'clean'}
    for item in CameraNoiseDataset({'name': 'x', 'phase': 'val', **options}):
        name = Path(item['lq_path']).relative_to('clean').with_suffix('.png')
        for key, kind in (('lq', 'noisy'), ('gt', 'clean')):
            written = cv2.imread(f'out/{kind}/{"_".join(name.parts)}')[..., ::-1]
            np.testing.assert_array_equal((item[key].numpy().transpose(1, 2, 0) * 255).round(), written)


def test_nothing_is_overwritten_unasked_or_lost(main, clean, refused):
    main('clean -o out'.split())
    before = contents(Path('out'))
    assert 'out exists already' in refused('clean -o out --seed 1')
    assert contents(Path('out')) == before
    main('clean -o out --seed 1 --overwrite'.split())
    after = contents(Path('out'))
    assert set(after) == set(before) and after != before
    # An image that cannot be read: the earlier result stays, and nothing half-made is left.
    (clean / 'z.png').write_bytes(b'no image')
    assert 'z.png: not an image' in refused('clean -o out --overwrite')
    assert contents(Path('out')) == after
    assert 'z.png' in refused('clean -o new')
    assert {path.name for path in Path().iterdir()} == {'clean', 'out'}
    (clean / 'z.png').unlink()
    Path('out/notes.txt').write_text('mine', encoding='utf-8')
    assert 'holds more than a result' in refused('clean -o out --overwrite')
    assert Path('out/notes.txt').read_text(encoding='utf-8') == 'mine'
    for arguments in (
        'clean -o clean',
        'clean -o clean/out',
        'clean -o . --overwrite',
        'clean -o clean/trip --overwrite',
    ):
        assert 'must not lie in each other' in refused(arguments)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ('none -o out', 'there is no folder none'),
        ('empty -o out', 'empty holds no image'),
        ('clean -o out --iso 0', 'iso must be one number above 0, or'),
        ('clean -o out --iso 9 1', 'iso must be one number above 0, or'),
        ('clean -o out --jpeg 0', 'jpeg must be one quality from 1 to 100, or'),
        ('clean -o clean/a.png', 'must not lie in each other'),
    ],
)
def test_mistakes_take_one_line(clean, refused, arguments, message):
    Path('empty').mkdir()
    assert message in refused(arguments)
    assert not Path('out').exists()


def test_numbers_below_one_are_refused(main, clean, capsys):
    for option in ('--shots', '--workers'):
        with pytest.raises(SystemExit, match='2'):
            main(['clean', '-o', 'out', option, '0'])
        assert f'{option}: 0 is less than 1' in capsys.readouterr().err


def test_names_that_would_meet(clean, refused):
    cv2.imwrite(str(clean / 'trip_b.png'), np.zeros((20, 20, 3), np.uint8))
    assert 'would both be called trip_b' in refused('clean -o out')


def test_a_killed_run_leaves_no_result(main, clean, tmp_path, fork_server):
    command = [SCRIPT, 'clean', '-o', 'out', '--workers', '1']
    fork_server.killed(*command, cwd=tmp_path, when='out.partial/noisy', count=3)
    assert (tmp_path / 'out.partial').exists() and not (tmp_path / 'out').exists()
    main('clean -o out'.split())
    assert len(list((tmp_path / 'out' / 'noisy').iterdir())) == 3
