"""Scripts run within the tests' own process."""

import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest


@pytest.fixture
def run_script(tmp_path, monkeypatch, capsys) -> Callable[[Path], Callable[..., subprocess.CompletedProcess]]:
    """Make a command of a script; it runs in `tmp_path`, here, as starting Python takes longer than the work."""

    def command(script: Path) -> Callable[..., subprocess.CompletedProcess]:
        main = runpy.run_path(str(script))['main']

        def run(*arguments: object) -> subprocess.CompletedProcess:
            monkeypatch.chdir(tmp_path)
            status = main([str(argument) for argument in arguments])
            return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

        return run

    return command


def done_groups(partial: Path) -> int:
    """Count the images that an unfinished LMDB holds."""
    if not (partial / 'data.mdb').exists():
        return 0
    try:
        with lmdb.open(str(partial), readonly=True, lock=False, max_dbs=1) as env:
            progress = env.open_db(b'progress', create=False)
            with env.begin(db=progress) as txn:
                return txn.stat(progress)['entries']
    except lmdb.Error:  # being made just now
        return 0
