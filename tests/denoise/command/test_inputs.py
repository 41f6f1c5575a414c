"""Which images files, folders and patterns stand for."""

import inspect
import os
import sys
from pathlib import Path

import pytest

from amsnet_basicsr.denoise.command.inputs import find_inputs


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Make empty files; nothing here looks into them."""
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> None:
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(b'')

    return make


def found(*names: str, output: str = 'out') -> dict[str, str]:
    inputs = find_inputs(names, Path(output))
    assert not inputs.problems
    return {str(one.path): str(one.relative) for one in inputs.found}


def test_folders_are_searched_with_their_structure(tree):
    tree('p/b.JPG', 'p/a.png', 'p/s/t/c.tiff', 'p/.hidden.png', 'p/.h/d.png', 'p/readme.txt', 'p/.amsnet-1-ab.tmp')
    assert found('p') == {'p/a.png': 'a.png', 'p/b.JPG': 'b.JPG', 'p/s/t/c.tiff': 's/t/c.tiff'}
    assert list(found('p/s', 'p')) == ['p/s/t/c.tiff', 'p/a.png', 'p/b.JPG']  # each once, in the order of the names
    assert found('./p/s/', 'p/../p/s/t/c.tiff') == {'p/s/t/c.tiff': 't/c.tiff'}


def test_single_files_are_taken_whatever_their_names(tree):
    tree('p/scan', 'p/.hidden.png', 'p/a.heic')
    assert found('p/scan', 'p/.hidden.png', 'p/a.heic') == {
        'p/scan': 'scan', 'p/.hidden.png': '.hidden.png', 'p/a.heic': 'a.heic',
    }  # fmt: skip


def test_patterns(tree):
    tree('p/a.png', 'p/b.txt', 'p/s/c.png', 'p/s/t/d.jpg', 'p/s/e.jxl', 'p/.x.png', 'q/a.png')
    assert found('p/*') == {'p/a.png': 'a.png', 'p/s/c.png': 's/c.png', 'p/s/t/d.jpg': 's/t/d.jpg'}
    assert found('p/**') == found('p/*')
    assert found('p/**/*.png') == {'p/a.png': 'a.png', 'p/s/c.png': 's/c.png'}
    assert found('p/**/*.jxl') == {'p/s/e.jxl': 's/e.jxl'}
    assert found('p/*/') == {'p/s/c.png': 's/c.png', 'p/s/t/d.jpg': 's/t/d.jpg'}  # folders alone
    assert found('?/[a]*') == {'p/a.png': 'p/a.png', 'q/a.png': 'q/a.png'}


def test_a_folder_that_fits_a_pattern_stands_for_all_below_it(tree, tmp_path):
    tree('p/x/night/a.png', 'p/x/night/s/b.png', 'p/x/day/c.png', 'p/night/d.png', 'p/.h/night/e.png', 'p/.f.png')
    assert list(found('p/**/night')) == ['p/night/d.png', 'p/x/night/a.png', 'p/x/night/s/b.png']
    assert found('p/x/**/**/*.png') == found('p/x')
    assert list(found('p/.*')) == ['p/.f.png', 'p/.h/night/e.png']  # hidden ones by a pattern that says so
    os.symlink(tmp_path / 'p/x/day', 'p/x/link')
    assert list(found('p/x/l*/*.png')) == ['p/x/link/c.png']  # a link that leads to where the pattern doesn't


def test_an_existing_name_wins_over_the_pattern_it_could_be(tree):
    tree('a[1].png', 'a1.png', 'p[1]/b.png', 'star*.png', 'stars.png')
    assert found('a[1].png', 'p[1]', 'star*.png') == {
        'a[1].png': 'a[1].png', 'p[1]/b.png': 'b.png', 'star*.png': 'star*.png',
    }  # fmt: skip
    assert found('a[12].png') == {'a1.png': 'a1.png'}


def test_links_in_circles_come_to_an_end(tree, tmp_path):
    tree('p/a.png', 'p/s/b.png', 'elsewhere/c.png', 'elsewhere/t/d.png')
    os.symlink(tmp_path / 'p', 'p/s/up')
    os.symlink('.', 'p/self')
    os.symlink(tmp_path / 'elsewhere', 'p/link')
    os.symlink(tmp_path / 'p', 'elsewhere/back')
    os.symlink(tmp_path / 'elsewhere', 'p/twice')
    os.symlink('a.png', 'p/same.png')
    os.symlink('nowhere.png', 'p/broken.png')
    expected = {'a.png', 'same.png', 'broken.png', 's/b.png', 'link/c.png', 'link/t/d.png'}
    assert set(found('p').values()) == expected
    assert {'a.png', 's/b.png'} <= set(found('p/**/*.png').values())
    assert len(found('p/**/*.png')) == len(
        {os.path.realpath(Path(p).parent) + Path(p).name for p in found('p/**/*.png')}
    )


def test_the_output_folder_is_no_input(tree, tmp_path):
    tree('p/a.png', 'p/out/a.png', 'p/out/s/b.png')
    os.symlink(tmp_path / 'p/out', 'alias')
    for output in ('p/out', 'alias', './p/../p/out/'):
        assert list(found('p', output=output)) == ['p/a.png']
        assert list(found('p/*', output=output)) == ['p/a.png']
        assert list(found('p/**/*.png', output=output)) == ['p/a.png']
    assert list(found('p', output='p')) == ['p/a.png', 'p/out/a.png', 'p/out/s/b.png']
    assert list(found('p/out', output='p/out')) == ['p/out/a.png', 'p/out/s/b.png']


def test_names_that_lead_to_nothing_are_told(tree):
    tree('p/a.txt', 'q/.x.png')
    os.mkfifo('q/pipe.png')
    inputs = find_inputs(['none.png', 'p', 'q', 'p/*.png', 'q*/[z]'], Path('out'))
    assert not inputs.found
    assert list(inputs.problems.items()) == [
        ('none.png', 'no such file or folder'),
        ('p', 'no images in this folder'),
        ('q', 'no images in this folder'),
        ('p/*.png', 'no image matches this pattern'),
        ('q*/[z]', 'no image matches this pattern'),
    ]


def test_very_deep_folders_and_names_too_long_do_not_end_the_search(tmp_path, monkeypatch):
    (tmp_path / 'a.png').touch()
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath(*['z'] * 300).mkdir(parents=True)
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):  # a path longer than the 4096 bytes that Linux takes
        os.mkdir('zz' * 125, dir_fd=here)
        there = os.open('zz' * 125, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    os.close(here)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)  # rather than a thousand levels, which pytest could not remove
    try:
        inputs = find_inputs(['.', 'x' * 5000], Path('out'))
    finally:
        sys.setrecursionlimit(limit)
    assert [one.path.name for one in inputs.found] == ['a.png']
    assert list(inputs.problems.values()) == 2 * ['cannot be looked at: File name too long']


def test_what_is_passed_over_is_counted_by_suffix(tree):
    tree('p/a.png', 'p/b.JXL', 'p/s/c.jxl', 'p/s/d.gif', 'p/e.txt', 'p/f', 'p/.h.jxl', 'q/x.jp2')
    inputs = find_inputs(['p', 'p/s', 'q/*', 'p/s/d.gif'], Path('out'))
    assert [one.path.name for one in inputs.found] == ['a.png', 'd.gif']
    assert inputs.passed_over == {'.jxl': 2, '.jp2': 1, 'other': 2}  # each once; what is named singly is read
    assert inputs.passed_over_in_words() == (
        '1 .jp2 (convert them to PNG or TIFF), 2 .jxl (convert them to PNG or TIFF), 2 other'
    )
    assert list(inputs.problems) == ['p/s', 'q/*']
