"""Watching long runs."""

import sys

import pytest

from scripts.soak import growth, main, read_table

LEAK = 'import time\nkept = []\nfor _ in range(40):\n    kept.append(bytearray(b"x" * 4_000_000)); time.sleep(.05)'
FILES = 'import time\nkept = []\nfor _ in range(40):\n    kept.append(open("/dev/null")); time.sleep(.05)'
FLAT = 'import time\nkept = bytearray(b"x" * 40_000_000)\nfor _ in range(40):\n    time.sleep(.05)'


@pytest.mark.parametrize(('code', 'grows'), [(LEAK, 'memory'), (FILES, 'open_files'), (FLAT, None)])
def test_what_grows_is_found(tmp_path, capsys, code, grows):
    status = main(['-o', str(tmp_path / 'run'), '--every', '0.05', '--', sys.executable, '-c', code])
    said = capsys.readouterr().out
    assert status == (grows is not None), said
    columns = read_table(tmp_path / 'run.csv')
    assert len(columns['seconds']) >= 10 and max(columns['processes']) == 1
    assert (tmp_path / 'run.png').stat().st_size > 5000
    early, late = growth(columns['memory_mib'])
    assert (late > 1.2 * early) == (grows == 'memory')


def test_the_status_of_the_command_is_kept_and_nothing_overwritten(tmp_path, capsys):
    command = ['-o', str(tmp_path / 'run'), '--every', '0.02', '--', sys.executable]
    assert main([*command, '-c', 'import time; time.sleep(1); raise SystemExit(3)']) == 3
    with pytest.raises(SystemExit, match='2'):
        main([*command, '-c', ''])
    assert 'exists already' in capsys.readouterr().err
