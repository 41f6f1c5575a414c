"""Searching folders that are deep, closed or longer than the system takes."""

import inspect
import os
import sys

import pytest

from amsnet_basicsr.utils.walk import walk_files


@pytest.fixture
def long_path(tmp_path):
    """A folder with one good file, and a file in a folder whose path is longer than the 4096 bytes that Linux takes."""
    (tmp_path / 'good.png').write_bytes(b'')
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir('n' * 250, dir_fd=here)
        there = os.open('n' * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = there
    os.close(os.open('far.png', os.O_CREAT, dir_fd=here))
    os.close(here)
    return tmp_path


def test_files_in_order_without_hidden_ones_and_linked_folders(tmp_path):
    for name in ('b/2.png', 'b/.hidden/3.png', 'a.png', 'c/4.png', '.trash/5.png', 'b/1.png', 'd.lmdb/data.mdb'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    (tmp_path / 'b' / 'link').symlink_to(tmp_path)
    found = walk_files(tmp_path, pytest.fail, lambda name: not name.endswith('.lmdb'))
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ['a.png', 'b/1.png', 'b/2.png', 'b/link', 'c/4.png']


def test_what_cannot_be_searched_is_reported_and_the_rest_goes_on(long_path, closed_folders):
    errors: list[OSError] = []
    assert [path.name for path in walk_files(long_path, errors.append)] == ['good.png']
    assert len(errors) == 1 and errors[0].strerror == 'File name too long'

    (long_path / 'closed').mkdir()
    errors.clear()
    assert [path.name for path in walk_files(long_path, errors.append)] == ['good.png']
    assert [error.strerror for error in errors] == ['Permission denied', 'File name too long']


def test_no_depth_is_too_much(tmp_path):
    deep = tmp_path.joinpath(*['d'] * 200)
    deep.mkdir(parents=True)
    (deep / 'deep.png').write_bytes(b'')
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)  # rather than a thousand levels, which nothing else removes
    try:
        found = list(walk_files(tmp_path, pytest.fail))
    finally:
        sys.setrecursionlimit(limit)
    assert [path.name for path in found] == ['deep.png']
