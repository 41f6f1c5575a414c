"""The same training by an unmodified BasicSR, fine-tuning by `python -m`, resuming, and refused options."""

import re

import pytest
import torch

from tests.pipeline.options import TINY_DNCNN, test_options, train_options, write

#: BasicSR's own train.py and test.py, beside a torchvision that it can be imported with. No word of the plugin.
STOCK = """
import sys, types
from torchvision.transforms.functional import rgb_to_grayscale
alias = types.ModuleType('torchvision.transforms.functional_tensor')
alias.rgb_to_grayscale = rgb_to_grayscale
sys.modules.setdefault(alias.__name__, alias)
from basicsr.{phase} import {phase}_pipeline
assert not any(name.startswith('amsnet') for name in sys.modules)
{phase}_pipeline(sys.argv.pop(1))
"""


def losses(log: str) -> list[str]:
    return re.findall(r'l_mask: (\S+)', log)


def test_unmodified_basicsr_meets_the_plugin_by_its_options(run, make_folder, tmp_path):
    noisy = make_folder('noisy')
    options = write(tmp_path / 'train.yml', train_options(noisy), plugin=True)
    stock = run('-c', STOCK.format(phase='train'), tmp_path, '-opt', options, bare=True)
    log = stock.stdout + stock.stderr
    assert re.search(r'plugin: \d+\.\d+', log)
    weights = tmp_path / 'experiments' / 'tiny' / 'models' / 'net_g_latest.pth'
    from_stock = torch.load(weights, weights_only=True)
    ours = run('-m', 'amsnet_basicsr.train', '-opt', options)
    assert losses(log) and losses(log) == losses(ours.stdout + ours.stderr)  # the same training by either command
    from_ours = torch.load(weights, weights_only=True)
    assert all(torch.equal(from_stock['params'][name], value) for name, value in from_ours['params'].items())
    options = write(tmp_path / 'test.yml', test_options(noisy, weights), plugin=True)
    run('-c', STOCK.format(phase='test'), tmp_path, '-opt', options, bare=True)


def test_fine_tuning_runs_all_branches_from_the_weights_of_b(run, make_folder, tmp_path):
    noisy = make_folder('noisy')
    torch.manual_seed(0)
    from amsnet_basicsr.archs import DnCNN

    net = DnCNN(**{key: value for key, value in TINY_DNCNN.items() if key != 'type'})
    torch.save({'params': net.state_dict()}, tmp_path / 'b.pth')
    options = train_options(noisy, path={'pretrain_network_g': str(tmp_path / 'b.pth')})
    options['train']['smooth_opt'] = {'type': 'SmoothnessLoss', 'loss_weight': 0.01}
    options['scheme'] = {'branches': 3, 'refine': {'type': 'PartitionAverage', 'samples': 2}}
    result = run('-m', 'amsnet_basicsr.train', '-opt', write(tmp_path / 'p.yml', options))
    log = result.stdout + result.stderr
    assert 'b.pth' in log
    assert len(re.findall(r'l_mask: \S+ l_smooth: \S+', log)) == 6


def test_auto_resume_on_the_cpu_goes_on_where_it_was(run, make_folder, tmp_path):
    noisy = make_folder('noisy')
    options = train_options(noisy)
    options['train']['scheduler']['periods'] = [9]  # the schedule is part of the saved state
    run('-m', 'amsnet_basicsr.train', '-opt', write(tmp_path / 'o.yml', options))
    options['train']['total_iter'] = 9
    result = run('-m', 'amsnet_basicsr.train', '-opt', write(tmp_path / 'o.yml', options), '--auto_resume')
    log = result.stdout + result.stderr
    assert 'Resuming training from epoch: 0, iter: 6' in log
    assert len(losses(log)) == 3
    assert re.search(r'iter: +7, lr:\(2\.50\de-04,\)', log)  # the schedule goes on: a cosine from 1e-3 over 9
    assert (tmp_path / 'experiments' / 'tiny' / 'models' / 'net_g_9.pth').is_file()


def test_one_lmdb_for_training_and_validation(run, make_folder, make_lmdb, tmp_path):
    path = str(make_lmdb(make_folder('noisy')))
    options = train_options(path, scale=1)
    options['datasets']['train']['num_worker_per_gpu'] = 2
    options['datasets']['val_2'] = {
        'name': 'pairs', 'type': 'PairedImageDataset', 'dataroot_lq': path, 'dataroot_gt': path,
        'io_backend': {'type': 'lmdb'},
    }  # fmt: skip
    options['datasets']['train']['dataset_enlarge_ratio'] = 1  # several epochs: workers fork after validations
    run('-m', 'amsnet_basicsr.train', '-opt', write(tmp_path / 'o.yml', options))


def test_all_problems_are_told_at_once_and_nothing_is_touched(run, make_folder, tmp_path):
    options = train_options(tmp_path / 'nowhere')
    options['datasets']['val']['dataroot_lq'] = str(make_folder('noisy'))
    options['scheme'] = {'brances': 2}
    options['train']['totl_iter'] = 6
    options['train']['optim_g']['lr'] = '1e-4'
    options['val']['save_bst'] = 'psnr'
    result = run('-m', 'amsnet_basicsr.train', '-opt', write(tmp_path / 'bad.yml', options), fails=True)
    assert 'bad.yml has 5 problems; nothing was started' in result.stderr
    for text in (
        f'datasets.train.dataroot_lq: there is no {tmp_path}/nowhere',
        "scheme has no option 'brances'; did you mean 'branches'?",
        "train has no option 'totl_iter'; did you mean 'total_iter'?",
        "val has no option 'save_bst'; did you mean 'save_best'?",
        'train.optim_g.lr: 1e-4 is text to YAML; write !!float 1e-4',
    ):
        assert text in result.stderr
    assert 'Traceback' not in result.stderr
    assert not (tmp_path / 'experiments').exists()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: [1', 'bad.yml, line 1'),
        ('a: 1', 'datasets is missing'),
        ('a: !!python/object/apply:os.system ["touch ran"]', 'line 1: !!python/object/apply:os.system is refused'),
    ],
)
@pytest.mark.parametrize('command', ['train', 'test'])
def test_files_that_basicsr_would_stumble_over(run, tmp_path, text, message, command):
    (tmp_path / 'bad.yml').write_text(text)
    result = run('-m', f'amsnet_basicsr.{command}', '-opt', tmp_path / 'bad.yml', fails=True)
    assert message in result.stderr and 'nothing was started' in result.stderr
    assert 'Traceback' not in result.stderr
    assert not (tmp_path / 'ran').exists()


def test_enlarge_ratio_is_raised_where_basicsr_would_stop_early(run, make_folder, tmp_path):
    options = train_options(make_folder('noisy', 5))
    options['datasets']['train'].update(batch_size_per_gpu=8, dataset_enlarge_ratio=1)
    result = run('-m', 'amsnet_basicsr.train', '-opt', write(tmp_path / 'o.yml', options))
    log = result.stdout + result.stderr
    assert 'dataset_enlarge_ratio raised from 1 to' in log
    assert len(losses(log)) == 6


@pytest.mark.parametrize('network', [{'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'upscale': 2, 'num_block': 1}])
def test_networks_that_enlarge_are_refused(run, make_folder, tmp_path, network):
    options = train_options(make_folder('noisy'), network_g=network)
    result = run('-m', 'amsnet_basicsr.train', '-opt', write(tmp_path / 'o.yml', options), fails=True)
    assert 'EDSR does not return images in the size they came in' in result.stderr


def test_the_check_says_what_a_run_would_and_leaves_no_trace(run, make_folder, tmp_path):
    write(tmp_path / 'o.yml', train_options(make_folder('noisy')), plugin=True)
    before = sorted(tmp_path.rglob('*'))
    check = ('-m', 'amsnet_basicsr.check', '-opt', 'o.yml', '--force_yml')
    said = run(*check, 'train:optim_g:lr=1e-5').stdout
    assert said.startswith('o.yml is fine') and len(said.splitlines()) == 3
    refused = run(*check, 'val:val_freq=none', fails=True)
    assert 'val.val_freq is missing; write e.g. val_freq: 1000' in refused.stdout and not refused.stderr
    assert sorted(tmp_path.rglob('*')) == before


def test_values_and_folders_from_the_command_line(run, make_folder, tmp_path):
    """`--force_yml` reaches seed, optimizer and schedule; `path` says where experiments and results go."""
    options = train_options(make_folder('noisy'), path={'experiments_root': 'elsewhere/runs'})
    changes = ('train:total_iter=2', 'train:scheduler:periods=[2]', 'train:optim_g:lr=1e-5', 'val:val_freq=9')
    path = write(tmp_path / 'o.yml', options)
    result = run('-m', 'amsnet_basicsr.train', '-opt', path, '--force_yml', *changes, 'name=other', 'manual_seed=5')
    log = result.stdout + result.stderr
    assert 'lr:(1.000e-05,)' in log and 'manual_seed: 5' in log and len(losses(log)) == 2
    weights = tmp_path / 'elsewhere' / 'runs' / 'other' / 'models' / 'net_g_latest.pth'
    assert weights.is_file() and not (tmp_path / 'experiments').exists()
    options = test_options(tmp_path / 'noisy', weights, name='x')
    options['path']['results_root'] = str(tmp_path / 'elsewhere' / 'tests')
    result = run('-m', 'amsnet_basicsr.test', '-opt', write(tmp_path / 'test.yml', options))
    assert (tmp_path / 'elsewhere' / 'tests' / 'x' / 'visualization').is_dir() and not (tmp_path / 'results').exists()
    assert 'Images and log: elsewhere/tests/x' in result.stdout
