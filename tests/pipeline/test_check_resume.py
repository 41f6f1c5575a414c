"""The check tells what resuming would do, and nothing is touched."""

import pytest

from amsnet_basicsr.check import main
from tests.pipeline.options import train_options, write


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(options: dict) -> list[str]:
        capsys.readouterr()
        assert main(['-opt', str(write(tmp_path / 'changed.yml', options))]) == 0
        lines = capsys.readouterr().out.splitlines()
        return [line.removeprefix('Resume: ') for line in lines if line.startswith('Resume: ')]

    return run


def test_resuming_is_told(trainings, make_folder, tmp_path, check):
    folder = make_folder('noisy')
    options = train_options(folder)
    assert check(options) == []
    assert trainings.run('-opt', write(tmp_path / 'train.yml', options)).endswith('exit code 0')
    before = sorted(path for path in tmp_path.rglob('*') if 'experiments' in str(path))
    expected = [
        '--auto_resume resumes from experiments/tiny/training_states/6.state, iteration 6 of 6',
        'Without --auto_resume, experiments/tiny is renamed and training starts from scratch',
    ]
    assert check(options) == expected

    options['train'].update(total_iter=9, optim_g={'type': 'SGD', 'lr': 0.01})
    options['train']['scheduler']['periods'] = [9]
    options['datasets']['train']['batch_size_per_gpu'] = 1
    said = check(options)
    assert said[0] == expected[0].replace('of 6', 'of 9')
    assert "train.optim_g.type was 'AdamW' when the state was saved; the file counts: 'SGD'" in said
    assert 'train.scheduler.periods was [6] when the state was saved; the file counts: [9]' in said
    assert said[-2].startswith('The learning rate follows the schedule of the file as if from the start')
    assert said[-1].startswith('The epoch starts over')

    options['path']['resume_state'] = 'experiments/tiny/training_states/3.state'
    assert (
        check(options)[0] == 'path.resume_state resumes from experiments/tiny/training_states/3.state, iteration 3 of 9'
    )
    (tmp_path / 'experiments/tiny/models/net_g_3.pth').write_bytes(b'torn')
    assert check(options)[0].startswith('path.resume_state: torn, changed or missing: ')
    assert before == sorted(path for path in tmp_path.rglob('*') if 'experiments' in str(path))
