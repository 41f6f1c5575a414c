"""Only what a run has left is put aside; one run at a time writes to an experiment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.resume.folders import put_aside
from amsnet_basicsr.resume.run import TrainingRun
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.stop_signal import Interruption


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith('/') else path.write_text('x')


@pytest.mark.parametrize(
    'names',
    [
        ('models/', 'training_states/', 'notes.txt'), ('report.md', 'set/'),
        ('train_x_1.log', 'o.yml', 'visualization/'),
        ('models/',), ('events.out.tfevents.1.host', 'sub/'),
    ],
)  # fmt: skip
def test_runs_are_put_aside_however_often_in_a_second(tmp_path, names):
    folder = tmp_path / 'run'
    for _ in range(3):
        fill(folder, *names)
        put_aside(folder)
        assert not list(folder.iterdir())
    archives = [path for path in tmp_path.iterdir() if '_archived_' in path.name]
    assert len(archives) == 3 and all(len(list(path.iterdir())) == len(names) for path in archives)


@pytest.mark.parametrize('names', [('thesis.tex',), ('models/', 'data/'), ('.git/', 'README.md')])
def test_other_folders_stay_where_they_are(tmp_path, names):
    folder = tmp_path / 'mine'
    fill(folder, *names)
    with pytest.raises(UserError, match='is not what a run of this name left, so it is not moved away'):
        put_aside(folder)
    assert [path.name for path in tmp_path.iterdir()] == ['mine'] and len(list(folder.iterdir())) == len(names)
    (tmp_path / 'file').write_text('x')
    with pytest.raises(UserError):
        put_aside(tmp_path / 'file')


def test_a_second_training_of_one_name_is_refused_with_who_holds_it(tmp_path, monkeypatch):
    monkeypatch.setattr('amsnet_basicsr.resume.run._PATIENCE', 0)
    opt = {'rank': 0, 'path': {'experiments_root': str(tmp_path / 'x')}}
    fill(tmp_path / 'x' / 'models', '.amsnet-1-ab.tmp', 'net_g_3.pth')
    first, second = TrainingRun(Interruption()), TrainingRun(Interruption())
    first.hold(opt)
    assert [path.name for path in (tmp_path / 'x' / 'models').iterdir()] == ['net_g_3.pth']
    said = rf'x: another run is writing there \(process {os.getpid()} on \S+ since \d{{4}}-[\d :-]+\); wait for it'
    with pytest.raises(UserError, match=said):
        second.hold(opt)
    first.release()
    second.hold(opt)
    second.release()
    assert not list(tmp_path.glob('.*'))


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        'import os, signal; from pathlib import Path; from amsnet_basicsr.utils.lock import exclusive_lock\n'
        'with exclusive_lock(Path("x")): os.kill(os.getpid(), signal.SIGKILL)'
    )
    subprocess.run([sys.executable, '-c', code], cwd=tmp_path, check=False, timeout=100)
    assert re.match(r'process \d+ on', (tmp_path / '.x.lock').read_text())
    run = TrainingRun(Interruption())
    run.hold({'rank': 0, 'path': {'experiments_root': str(tmp_path / 'x')}})
    run.release()
