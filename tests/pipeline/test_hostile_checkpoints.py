"""Commands given a pickle that would run code: one line with the file's name, nothing run, nothing begun."""

import pytest
import torch

from tests.hostile_files import hostile_checkpoint
from tests.pipeline.options import test_options as options_for_test
from tests.pipeline.options import train_options, write
from tests.scripts.test_convert_official_weights import SCRIPT

REFUSED = 'it holds more than tensors and plain values (posix.system), and may run code when opened; not opened'


def adapt(options: dict, images, kind: str) -> None:
    """Let options train a student by BasicSR's own model, if asked for."""
    if kind != 'SRModel':
        return
    for dataset in options['datasets'].values():
        dataset.pop('crop_size', None)
        dataset.update(type='PairedImageDataset', dataroot_gt=str(images), io_backend={'type': 'disk'})
    if 'train' in options:
        options['datasets']['train'].update(gt_size=40, use_hflip=True, use_rot=True)
    options.update(scale=1)
    options['val']['metrics'] = {}
    del options['scheme']
    if 'train' in options:
        options['train']['pixel_opt'] = {'type': 'L1Loss'}
        del options['train']['mask_opt']


@pytest.mark.parametrize('kind', ['AMSNetModel', 'SRModel'])
def test_training_and_testing_name_the_file_and_start_nothing(run, make_folder, tmp_path, kind):
    images = make_folder('noisy')
    weights = hostile_checkpoint(tmp_path / 'a.pth', tmp_path / 'trace', {'params': {'x': torch.zeros(1)}})
    state = hostile_checkpoint(tmp_path / '3.state', tmp_path / 'trace', {'iter': 3, 'epoch': 0})
    training = train_options(images, model_type=kind)
    training['path'] = {'pretrain_network_g': str(weights), 'resume_state': str(state)}
    testing = options_for_test(images, weights, model_type=kind)
    for command, options, bad in (
        ('train', training, {'pretrain_network_g': weights, 'resume_state': state}),
        ('test', testing, {'pretrain_network_g': weights}),
    ):
        adapt(options, images, kind)
        write(tmp_path / 'options.yml', options)
        result = run('-m', f'amsnet_basicsr.{command}', '-opt', 'options.yml', fails=True)
        assert 'nothing was started' in result.stderr and 'Traceback' not in result.stderr, result.stderr
        assert result.stderr.count('\n') == 1 + len(bad), result.stderr
        for key, path in bad.items():
            assert f'path.{key}: {path}: {REFUSED}; ask whoever made it for weights alone' in result.stderr
    assert not (tmp_path / 'trace').exists()
    assert not (tmp_path / 'experiments').exists() and not (tmp_path / 'results').exists()


def test_the_converter_and_the_denoise_command_too(run, tmp_path):
    weights = hostile_checkpoint(tmp_path / 'a.pth', tmp_path / 'trace', {'params': {'x': torch.zeros(1)}})
    for command, status in (
        ((SCRIPT, weights, '-o', 'b.pth'), 1),
        (('-m', 'amsnet_basicsr.denoise', 'a.png', '-o', 'out', '--model', weights), 2),
    ):
        (tmp_path / 'a.png').write_bytes(b'not looked at')
        result = run(*command, fails=True)
        assert result.returncode == status and result.stderr.count('\n') == 1
        assert f'{weights}: {REFUSED}' in result.stderr
    assert not (tmp_path / 'trace').exists() and not (tmp_path / 'b.pth').exists()
