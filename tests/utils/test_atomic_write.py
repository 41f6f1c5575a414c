"""Files appear whole or not at all, and nobody's file is replaced unless asked for."""

import os
import stat

import pytest

from amsnet_basicsr.utils.atomic_write import atomic_write, write_error


def test_files_appear_whole_or_not_at_all(tmp_path):
    path = tmp_path / ('ü' * 125 + '.txt')  # as long as names may be
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b'half')
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []
    with atomic_write(path, overwrite=False, sync=True) as file:
        file.write(b'whole')
    assert path.read_bytes() == b'whole' and len(os.listdir(tmp_path)) == 1
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_existing_files_are_replaced_only_when_asked_for(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'old')
    with pytest.raises(FileExistsError) as before, atomic_write(path, overwrite=False):
        pass
    assert write_error(path, before.value) == f'{path}: exists already; --overwrite replaces it'
    path.unlink()
    with pytest.raises(FileExistsError), atomic_write(path, overwrite=False) as file:
        file.write(b'mine')
        path.write_bytes(b'theirs')  # meanwhile
    assert path.read_bytes() == b'theirs' and os.listdir(tmp_path) == ['a']
    with atomic_write(path) as file:
        file.write(b'new')
    assert path.read_bytes() == b'new'
