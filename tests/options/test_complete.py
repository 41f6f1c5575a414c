"""What becomes of the options in a file: the same as by BasicSR's own reader, and folders where they are wanted."""

import copy
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from amsnet_basicsr import plugin  # noqa: F401 (makes BasicSR importable)
from amsnet_basicsr.options.command import Command, command_parser, read_command
from amsnet_basicsr.options.complete import complete_options
from amsnet_basicsr.options.reader import read_options
from amsnet_basicsr.patches.pipelines.parse_options import prepare
from tests.conftest import REPOSITORY
from tests.pipeline.options import train_options, write

OPTIONS = REPOSITORY / 'options'
#: BasicSR reads complete files only.
COMPLETE = {*OPTIONS.rglob('*.yml')} - {*OPTIONS.glob('ablation/*.yml')}
FILES = sorted(path for path in COMPLETE if 'base' not in read_options(str(path)))


def ordered(value):
    """Values with the order of keys, which equal dictionaries may differ in."""
    if isinstance(value, dict):
        return [(key, ordered(item)) for key, item in value.items()]
    return value


@pytest.mark.parametrize('flags', [[], ['--debug', '--auto_resume']])
def test_like_basicsrs_own_reader(monkeypatch, flags, capsys):
    from basicsr.utils.options import parse_options as by_basicsr

    for path in FILES:
        raw = read_options(str(path))
        is_train = 'train' in raw
        monkeypatch.setattr(sys, 'argv', ['x', '-opt', str(path), *flags])
        expected, _ = by_basicsr('/root_path', is_train)
        own = complete_options(raw, '/root_path', is_train, bool(flags), bool(flags), gpus=torch.cuda.device_count())
        assert ordered(own) == ordered(expected), path
        assert raw == read_options(str(path))  # as it was


def test_folders_lie_where_the_options_say():
    raw = {'name': 'x', 'path': {'experiments_root': '/a', 'results_root': '~/b', 'other': None, 'resume_state': None}}
    train = complete_options(raw, '/root_path', True)['path']
    assert train == {
        'resume_state': None, 'experiments_root': '/a/x', 'models': '/a/x/models', 'log': '/a/x',
        'training_states': '/a/x/training_states', 'visualization': '/a/x/visualization',
    }  # fmt: skip
    home = str(Path.home() / 'b' / 'x')
    assert complete_options(raw, '/root_path', False)['path']['results_root'] == home
    assert complete_options({'name': 'x', 'path': {}}, '/r', False)['path']['results_root'] == '/r/results/x'


def test_broken_options_are_left_broken():
    for raw in ({}, {'name': 5, 'path': 6, 'datasets': {'val': 7, '_': {}}}, {'name': [], 'path': {}, 'datasets': []}):
        opt = complete_options(raw, '/r', True, debug=True)
        assert {key: opt[key] for key in raw if key != 'datasets'} == {k: raw[k] for k in raw if k != 'datasets'}


def run(folder, options, *flags, is_train=True):
    path = write(folder / 'o.yml', options)
    arguments = command_parser().parse_args(['-opt', str(path), *flags])
    from amsnet_basicsr.options.command import read_or_stop

    return prepare(Command(arguments, read_or_stop(arguments)), str(folder), is_train), arguments


def test_changes_come_before_the_seed(make_folder, tmp_path):
    options = train_options(make_folder('noisy'))
    opt, arguments = run(tmp_path, options, '--force_yml', 'manual_seed=7', 'train:optim_g:lr=1e-5', '--debug')
    drawn = random.random(), np.random.rand(), torch.rand(1).item()
    assert opt['manual_seed'] == 7 and opt['train']['optim_g']['lr'] == 1e-5
    assert opt['name'] == 'debug_tiny' and opt['val']['val_freq'] == 8 and arguments.opt == str(tmp_path / 'o.yml')
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    assert drawn == (random.random(), np.random.rand(), torch.rand(1).item())
    del options['manual_seed']
    seeds = {run(tmp_path, options)[0]['manual_seed'] for _ in range(9)}
    assert len(seeds) > 1 and all(1 <= seed <= 10000 for seed in seeds)
    assert not (tmp_path / 'experiments').exists()


@pytest.mark.parametrize(
    ('environment', 'flags', 'message'),
    [
        ({}, ['--launcher', 'pytorch'], 'RANK and WORLD_SIZE are not set; start it by torchrun'),
        ({'RANK': 'x', 'WORLD_SIZE': '2'}, ['--launcher', 'pytorch', '--local-rank', '0'], 'start it by torchrun'),
        ({'SLURM_PROCID': '1'}, ['--launcher', 'slurm', '--local_rank=1'], 'start it by srun'),
        ({'SLURM_PROCID': '0', 'SLURM_NTASKS': '2'}, ['--launcher', 'slurm'], 'needs CUDA GPUs'),
    ],
)
def test_launchers_that_cannot_work_are_told(make_folder, tmp_path, monkeypatch, environment, flags, message):
    for name in ('RANK', 'WORLD_SIZE', 'SLURM_PROCID', 'SLURM_NTASKS'):
        monkeypatch.delenv(name, raising=False)
    if torch.cuda.is_available() and 'CUDA' in message:
        pytest.skip('there is a GPU')
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        run(tmp_path, train_options(make_folder('noisy')), *flags)
    assert message in str(caught.value)


@pytest.mark.parametrize('launcher', ['pytorch', 'slurm'])
def test_the_launcher_gets_what_dist_params_say(make_folder, tmp_path, monkeypatch, launcher):
    """The processes themselves need GPUs: here only what BasicSR's function is told."""
    told = []
    for name, value in {'RANK': '1', 'WORLD_SIZE': '2', 'SLURM_PROCID': '1', 'SLURM_NTASKS': '2'}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(
        'amsnet_basicsr.patches.pipelines.parse_options.init_dist', lambda *args, **kwargs: told.append((args, kwargs))
    )
    options = train_options(make_folder('noisy'), dist_params={'backend': 'gloo', 'port': 1234})
    opt, _ = run(tmp_path, options, '--launcher', launcher)
    assert told == [((launcher,), {'backend': 'gloo', 'port': 1234})]
    assert (opt['dist'], opt['rank'], opt['world_size'], opt['num_gpu']) == (True, 1, 2, 1)
    random.seed(options['manual_seed'] + 1)
    expected = random.random()
    run(tmp_path, options, '--launcher', launcher)
    assert random.random() == expected  # seeded by the rank


def test_the_command_line_is_basicsrs(make_folder, tmp_path, monkeypatch, capsys):
    options = copy.deepcopy(train_options(make_folder('noisy'), nmae='x'))
    path = write(tmp_path / 'o.yml', options)
    monkeypatch.setattr(sys, 'argv', ['train.py', '-opt', str(path), '--auto_resume', '--force_yml', 'logger=3'])
    with pytest.raises(SystemExit) as caught:
        prepare(read_command(), str(tmp_path), is_train=True)
    report = str(caught.value).splitlines()
    assert report[0] == f'{path} has 2 problems; nothing was started:'
    assert sorted(report[1:]) == [
        '  - logger must be a group of options, got 3',
        "  - the options file has no option 'nmae'; did you mean 'name'?",
    ]
    monkeypatch.setattr(sys, 'argv', ['train.py'])
    with pytest.raises(SystemExit) as caught:
        prepare(read_command(), str(tmp_path), is_train=True)
    assert caught.value.code == 2 and '-opt' in capsys.readouterr().err
