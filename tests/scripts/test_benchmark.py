"""The benchmark of data: a table with a figure for every source and number of workers, put where it belongs."""

import re
import runpy
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import REPOSITORY, noisy_picture

QUICK = '--count 3 --size 48 --crop 40 --crops 4 --rounds 1'
BEGIN, END = '<!-- measured by scripts/benchmark.py data -->', '<!-- end of data -->'


@pytest.fixture(scope='module')
def benchmark() -> Namespace:
    return Namespace(**runpy.run_path(str(REPOSITORY / 'scripts' / 'benchmark.py')))


@pytest.fixture
def run(benchmark, capsys, tmp_path, monkeypatch) -> Callable[[str], str]:
    def start(arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        benchmark.main(arguments.split())
        return capsys.readouterr().out

    return start


def rows(text: str) -> dict[str, list[float]]:
    """Figures by what was read."""
    lines = [
        [cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line.startswith('|')
    ]
    return {line[0]: [float(cell.replace(',', '')) for cell in line[1:]] for line in lines[2:]}


def test_patches_made_on_the_spot(run):
    out = run(f'data {QUICK} --workers 0 1')
    found = rows(out)
    assert list(found) == ['folder', 'LMDB', 'memory (`cache_mb: 2000`)']
    assert all(len(figures) == 2 and min(figures) > 0 for figures in found.values())
    assert '3 images of 48×48' in out and 'crops of 40×40 in batches of 2' in out


def test_own_folders_and_databases(run, make_folder, make_lmdb):
    folder = make_folder('mine')
    assert list(rows(run(f'data {QUICK} --workers 0 --dataroot {folder}'))) == ['folder', 'memory (`cache_mb: 2000`)']
    found = run(f'data {QUICK} --workers 0 --dataroot {make_lmdb(folder)} --cache-mb 1')
    assert list(rows(found)) == ['LMDB', 'memory (`cache_mb: 1`)'] and '4 images of 72×64' in found


def test_the_patches_are_noisy_and_the_same_in_folder_and_lmdb(benchmark, tmp_path):
    files, database = benchmark.write_patches(tmp_path, 6, 330)
    sources = [benchmark.open_source('x', root, 300, 0).dataset for root in (files, database)]
    for index in range(6):
        first, second = (source._decode(source.entries[index]) for source in sources)
        np.testing.assert_array_equal(first, second)
        assert first.shape == (330, 330, 3)
        assert (first - cv2.medianBlur(first, 5).astype(float)).std() > 2


def test_rounds_take_turns(benchmark):
    calls = []

    def measure(name: str, values: list[float]) -> Callable[[], float]:
        return lambda: calls.append(name) or values.pop()

    measurements = {'a': measure('a', [1, 9, 2]), 'b': measure('b', [5, 5, 50])}
    assert benchmark.median_of_rounds(measurements, 3) == {'a': 2, 'b': 5}
    assert calls == ['a', 'b'] * 3


def test_the_table_goes_between_the_marks(run, tmp_path):
    page = tmp_path / 'page.md'
    page.write_text(f'before\n{BEGIN}\nstale\n{END}\nafter\n')
    assert run(f'data {QUICK} --workers 0 --write page.md') == ''
    text = page.read_text()
    assert text.startswith(f'before\n{BEGIN}\n| patches per second | 0 workers |') and 'stale' not in text
    assert re.search(rf'\n{END}\nafter\n$', text)
    assert {path.name for path in tmp_path.iterdir()} == {'page.md'}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ('--rounds 0', '--rounds must be at least 1'),
        ('--workers -1', '--workers must not be negative'),
        ('--crop 600', '--crop 600 is larger than --size 512'),
        ('--dataroot nowhere', 'there is no folder nowhere'),
        ('--dataroot small', 'is too small: 30×30'),
        ('--write none.md', 'there is no page none.md'),
        (f'{QUICK} --workers 0 --write bare.md', 'must be there once'),
    ],
)
def test_mistakes_take_one_line(run, tmp_path, arguments, message):
    (tmp_path / 'bare.md').write_text('no marks')
    (tmp_path / 'small').mkdir()
    cv2.imwrite(str(tmp_path / 'small' / 'x.png'), noisy_picture(30, 30, 0))
    with pytest.raises(SystemExit) as stop:
        run(f'data {arguments}')
    assert str(stop.value).startswith('error: ') and message in str(stop.value)
    assert Path(tmp_path / 'bare.md').read_text() == 'no marks'
