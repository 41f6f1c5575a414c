"""A training that is stopped, killed or torn goes on as if nothing had happened."""

import re
import shutil
import signal
from pathlib import Path

import psutil
import pytest
import torch

from tests.pipeline.options import PSNR, some_weights, test_options, train_options, write


def options(folder: Path, name: str, total: int, **logger) -> dict:
    """Epochs of 6 iterations; dropout in the network, so that its randomness counts too."""
    result = train_options(folder, name=name)
    result['train'].update(total_iter=total, warmup_iter=3)
    result['train']['scheduler']['periods'] = [total]
    result['datasets']['train']['dataset_enlarge_ratio'] = 3
    result['logger'].update(logger)
    result['val']['save_best'] = 'mask_l1'
    return result


def weights(folder: Path, name: str, which: str = 'latest') -> dict[str, torch.Tensor]:
    content = torch.load(folder / 'experiments' / name / 'models' / f'net_g_{which}.pth', weights_only=True)
    content.pop('made_with')
    return {f'{kind}.{key}': value for kind, values in content.items() for key, value in values.items()}


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def forget_after(root: Path, iteration: int) -> None:
    """Leave an experiment as a kill after an iteration would."""
    for path in [*root.glob('training_states/*.state'), *root.glob('models/net_g_*.pth')]:
        number = re.search(r'(\d+)\.\w+$', path.name)
        if number is None or int(number[1]) > iteration:
            path.unlink()
    (root / 'models' / 'net_g_best.json').unlink(missing_ok=True)


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('kind', ['amsnet', 'student'])
def test_going_on_from_every_iteration_gives_the_same_weights(trainings, make_folder, tmp_path, workers, kind):
    noisy = make_folder('noisy')
    total = 14 if workers == 0 else 8
    opt = options(noisy, kind, total, save_checkpoint_freq=1)
    opt['val']['val_freq'] = 2
    if kind == 'student':  # BasicSR's own model and data set, which draws its crops from Python's generator
        opt.update(model_type='SRModel', scale=1)
        opt['datasets']['train'] = {
            'name': 'pairs', 'type': 'PairedImageDataset', 'dataroot_lq': str(noisy), 'dataroot_gt': str(noisy),
            'io_backend': {'type': 'disk'}, 'gt_size': 40, 'use_hflip': True, 'use_rot': True, 'batch_size_per_gpu': 2,
            'num_worker_per_gpu': 0, 'dataset_enlarge_ratio': 3,
        }  # fmt: skip
        opt['datasets']['val'] = {**opt['datasets']['train'], 'name': 'val'}
        for key in ('gt_size', 'use_hflip', 'use_rot', 'batch_size_per_gpu', 'num_worker_per_gpu'):
            del opt['datasets']['val'][key]
        del opt['datasets']['val']['dataset_enlarge_ratio'], opt['scheme'], opt['val']['save_best']
        del opt['train']['mask_opt']
        opt['train']['pixel_opt'] = {'type': 'L1Loss'}
        opt['val']['metrics'] = {'psnr': PSNR}
    opt['datasets']['train']['num_worker_per_gpu'] = workers
    file = write(tmp_path / 'train.yml', opt)
    assert trainings.run('-opt', file).endswith('exit code 0')
    whole = weights(tmp_path, kind)
    best = torch.load(tmp_path / 'experiments' / kind / 'training_states' / f'{total}.state', weights_only=True)['best']
    shutil.copytree(tmp_path / 'experiments', tmp_path / 'undisturbed')

    for iteration in range(1, total + 1) if workers == 0 else (1, 5, 6, 7):
        shutil.rmtree(tmp_path / 'experiments')
        shutil.copytree(tmp_path / 'undisturbed', tmp_path / 'experiments')
        root = tmp_path / 'experiments' / kind
        forget_after(root, iteration)
        output = trainings.run('-opt', file, '--auto_resume')
        assert output.endswith('exit code 0'), output[-3000:]
        assert f'iter: {iteration}.' in output
        assert_same(weights(tmp_path, kind), whole)
        state = torch.load(root / 'training_states' / f'{total}.state', weights_only=True)
        assert state['best'] == best


def test_workers_make_no_difference(trainings, make_folder, tmp_path):
    for workers in (0, 2):
        opt = options(make_folder(f'noisy{workers}'), f'workers{workers}', 9, save_checkpoint_freq=50)
        opt['datasets']['train']['num_worker_per_gpu'] = workers
        trainings.run('-opt', write(tmp_path / 'train.yml', opt))
    assert_same(weights(tmp_path, 'workers0'), weights(tmp_path, 'workers2'))


def test_a_seed_that_was_drawn_is_kept(trainings, make_folder, tmp_path):
    opt = options(make_folder('noisy'), 'drawn', 8, save_checkpoint_freq=4)
    del opt['manual_seed']
    file = write(tmp_path / 'train.yml', opt)
    trainings.run('-opt', file)
    whole = weights(tmp_path, 'drawn')
    forget_after(tmp_path / 'experiments' / 'drawn', 4)
    assert 'iter: 4.' in trainings.run('-opt', file, '--auto_resume')
    assert_same(weights(tmp_path, 'drawn'), whole)


def test_another_seed_sees_other_data(trainings, make_folder, tmp_path):
    opt = options(make_folder('noisy'), 'seed', 3)
    for seed in (0, 1):
        opt.update(manual_seed=seed, name=f'seed{seed}')
        opt['train']['optim_g']['lr'] = 1e-30  # weights stay: only the losses tell
        assert trainings.run('-opt', write(tmp_path / 'train.yml', opt)).endswith('exit code 0')
    losses = re.findall(r'l_mask: (\S+)', trainings.output())
    assert len(losses) == 6 and losses[:3] != losses[3:]


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize('in_validation', [False, True])
def test_a_polite_stop_saves_and_says_so(trainings, make_folder, tmp_path, number, code, in_validation):
    opt = options(make_folder('noisy', count=40 if in_validation else 4), 'stopped', 60, save_checkpoint_freq=1000)
    opt['datasets']['train']['dataset_enlarge_ratio'] = 20
    opt['val'].update(val_freq=30, save_img=True)
    file = write(tmp_path / 'train.yml', opt)
    assert trainings.run('-opt', file).endswith('exit code 0')
    whole = weights(tmp_path, 'stopped')
    shutil.rmtree(tmp_path / 'experiments')

    text = '/visualization/held-out' if in_validation else 'iter:       9,'
    output = trainings.run('-opt', file, signal_at=(number, text, 1))
    assert output.endswith(f'exit code {code}')
    stopped = int(re.search(r'stopped after iteration (\d+), saved as \S+; --auto_resume resumes', output)[1])
    assert stopped == (30 if in_validation else 9)
    assert 'Traceback' not in output
    if in_validation:
        assert len(list(tmp_path.glob('experiments/stopped/visualization/held-out/*'))) < 40
    output = trainings.run('-opt', file, '--auto_resume')
    assert ('The validation of iteration 30 comes after its checkpoint' in output) == in_validation
    assert_same(weights(tmp_path, 'stopped'), whole)


def test_a_stop_in_the_last_validation_saves_and_exits_as_the_signal_says(trainings, make_folder, tmp_path):
    opt = options(make_folder('noisy', count=40), 'last', 5, save_checkpoint_freq=1000)
    opt['val'].update(val_freq=1000, save_img=True)
    file = write(tmp_path / 'train.yml', opt)
    output = trainings.run('-opt', file, signal_at=(signal.SIGTERM, 'Save the latest model', 1))
    assert output.endswith('exit code 143') and 'Traceback' not in output
    assert re.search(r'stopped after iteration 5, saved as \S+5\.state', output)
    whole = weights(tmp_path, 'last')
    assert trainings.run('-opt', file, '--auto_resume').endswith('exit code 0')
    assert_same(weights(tmp_path, 'last'), whole)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_stop_at_any_other_moment_shows_no_traceback(trainings, make_folder, tmp_path, number):
    report = {'refine': [None, {'type': 'R3', 'samples': 2}]}
    opt = options(make_folder('noisy'), 'any', 2, save_checkpoint_freq=1)
    opt['report'], opt['network_g']['act_mode'] = report, 'R'
    file = write(tmp_path / 'any.yml', opt)
    begun = 128 + number
    for moment, code, said in (
        ('any.yml', -number, ''),  # as by default: a shell sees 128 and the signal, too
        ('Version Information', begun, 'stopped before the first iteration: there is nothing to save'),
        ('Network [', begun, 'stopped before the first iteration: there is nothing to save'),
        ('Save the latest model', begun, 'stopped after iteration 2, saved as'),
        ('/any/report', begun, 'Training is complete; stopped in what follows it'),
    ):
        output = trainings.run('-opt', file, signal_at=(number, moment, 1))
        assert output.endswith(f'exit code {code}') and 'Traceback' not in output and said in output, output[-3000:]


@pytest.mark.parametrize('command', ['test', 'check'])
def test_ctrl_c_in_other_commands_shows_no_traceback(fork_server, make_folder, tmp_path, command):
    make_folder('noisy')
    file = write(tmp_path / 'test.yml', test_options(tmp_path / 'noisy', some_weights(tmp_path / 'w.pth')))
    log = tmp_path / 'log'
    for moment in ('test.yml', 'noisy'):
        child = fork_server.start(
            '-m', f'amsnet_basicsr.{command}', '-opt', file, cwd=tmp_path, stdout=log, stderr=log,
            signal_at=(signal.SIGINT, moment, 1),
        )  # fmt: skip
        assert fork_server.wait(child) == -signal.SIGINT and 'Traceback' not in log.read_text()


def test_a_dead_data_worker_saves_the_state_and_says_so(trainings, make_folder, tmp_path):
    opt = options(make_folder('noisy'), 'dead', 1000, save_checkpoint_freq=1000)
    opt['datasets']['train'].update(num_worker_per_gpu=1, dataset_enlarge_ratio=600)
    opt['val']['val_freq'] = 1000
    child = trainings.start('-opt', write(tmp_path / 'train.yml', opt))
    trainings.wait_until(lambda: 'iter:       5,' in trainings.output())
    psutil.Process(child).children()[0].kill()
    assert trainings.wait() == 1
    output = trainings.output()
    assert 'Traceback' not in output
    saved = re.search(r'Training ended: a data worker died .* saved as (\S+\.state);', output)
    assert saved and Path(saved[1]).is_file()


def test_weights_without_a_state_are_told_before_they_are_put_aside(trainings, make_folder, tmp_path):
    file = write(tmp_path / 'train.yml', options(make_folder('noisy'), 'alone', 2, save_checkpoint_freq=1000))
    trainings.run('-opt', file)
    output = trainings.run('-opt', file, '--auto_resume')
    assert output.index('but no training state: nothing to resume') < output.index('Rename it to')
    assert output.endswith('exit code 0')


def test_the_schedule_of_the_file_counts_when_a_training_is_prolonged(trainings, make_folder, tmp_path):
    opt = options(make_folder('noisy'), 'longer', 4, save_checkpoint_freq=4)
    file = write(tmp_path / 'train.yml', opt)
    trainings.run('-opt', file)
    opt['train'].update(total_iter=8, optim_g={'type': 'AdamW', 'lr': 1e-2, 'weight_decay': 0})
    opt['train']['scheduler']['periods'] = [8]
    output = trainings.run('-opt', write(file, opt), '--auto_resume')
    assert output.endswith('exit code 0') and 'train.optim_g.lr was 0.001 when the state was saved' in output
    assert re.search(r'iter: +8, lr:\(3\.8\d+e-04,\)', output)  # a cosine from 1e-2 over 8
    opt['train']['total_iter'] = 2
    opt['train']['scheduler']['periods'] = [2]
    output = trainings.run('-opt', write(file, opt), '--auto_resume')
    assert '8.state is of iteration 8, and train.total_iter is 2: raise it' in output
    assert output.endswith('exit code 1')


@pytest.mark.parametrize('damaged', ['training_states/6.state', 'models/net_g_6.pth'])
@pytest.mark.parametrize('how', ['torn', 'missing', 'changed'])
def test_the_newest_whole_checkpoint_is_used(trainings, make_folder, tmp_path, damaged, how):
    file = write(tmp_path / 'train.yml', options(make_folder('noisy'), 'torn', 8, save_checkpoint_freq=3))
    trainings.run('-opt', file)
    whole = weights(tmp_path, 'torn')
    path = tmp_path / 'experiments' / 'torn' / damaged
    content = bytearray(path.read_bytes())
    if how == 'changed':
        for place in range(len(content) // 2, len(content) // 2 + 200):  # longer than the padding between two tensors
            content[place] ^= 1
    path.unlink()
    if how != 'missing':
        path.write_bytes(content if how == 'changed' else content[: len(content) // 2])
    output = trainings.run('-opt', file, '--auto_resume')
    if how == 'missing' and damaged.endswith('.state'):  # no trace of it
        assert 'changed or missing' not in output
    else:
        assert re.search(rf'{Path(damaged).name} torn, changed or missing: resuming from \S+3\.state instead', output)
    assert 'iter: 3.' in output
    assert_same(weights(tmp_path, 'torn'), whole)


def test_nothing_whole_is_an_error_and_nothing_is_archived(trainings, make_folder, tmp_path):
    file = write(tmp_path / 'train.yml', options(make_folder('noisy'), 'torn', 3, save_checkpoint_freq=3))
    trainings.run('-opt', file)
    root = tmp_path / 'experiments'
    state = root / 'torn' / 'training_states' / '3.state'
    whole = state.read_bytes()
    state.write_bytes(b'')
    output = trainings.run('-opt', file, '--auto_resume')
    assert output.endswith('exit code 1') and 'leave out --auto_resume to start from scratch' in output
    assert 'Traceback' not in output
    assert [path.name for path in root.iterdir()] == ['torn']

    opt = options(tmp_path / 'noisy', 'other', 3, save_checkpoint_freq=3)
    opt['path']['resume_state'] = str(state)
    file = write(tmp_path / 'other.yml', opt)
    output = trainings.run('-opt', file)
    assert output.endswith('exit code 1') and f'path.resume_state: {state}: it is damaged' in output
    state.write_bytes(whole)
    (root / 'torn' / 'models' / 'net_g_3.pth').unlink()
    output = trainings.run('-opt', file)
    assert output.endswith('exit code 1') and re.search(
        r'path\.resume_state: torn, changed or missing: \S+net_g_3\.pth', output
    )


def test_a_state_of_another_experiment_serves_with_its_own_weights(trainings, make_folder, tmp_path):
    opt = options(make_folder('noisy'), 'first', 9, save_checkpoint_freq=3)
    trainings.run('-opt', write(tmp_path / 'first.yml', opt))
    opt['name'] = 'second'
    opt['path']['resume_state'] = str(tmp_path / 'experiments' / 'first' / 'training_states' / '6.state')
    assert trainings.run('-opt', write(tmp_path / 'second.yml', opt)).endswith('exit code 0')
    assert_same(weights(tmp_path, 'second'), weights(tmp_path, 'first'))


def test_a_full_disk_leaves_the_checkpoints_before_and_says_so(trainings, make_folder, tmp_path):
    opt = options(make_folder('noisy'), 'full', 6, save_checkpoint_freq=3)
    opt['network_g'].update(nc=64)
    file = write(tmp_path / 'train.yml', opt)
    trainings.run('-opt', file)
    root = tmp_path / 'experiments' / 'full'
    forget_after(root, 3)
    before = {path: path.read_bytes() for path in root.glob('*/*.*') if path.suffix in ('.pth', '.state')}
    assert len(before) == 2
    # No file may grow beyond this: the log stays below it, weights do not.
    output = trainings.run('-opt', file, '--auto_resume', file_size_limit=200_000)
    assert output.endswith('exit code 1') and 'Traceback' not in output
    assert re.search(r'No checkpoint of iteration 6: \S+net_g_6\.pth could not be written: File too large', output)
    assert re.search(r'The newest is \S+3\.state; training continues', output)
    assert re.search(r'Training ended: \S+net_g_latest\.pth could not be written', output)
    after = {path: path.read_bytes() for path in root.rglob('*') if path.suffix in ('.pth', '.state', '.tmp')}
    assert after == before
    assert trainings.run('-opt', file, '--auto_resume').endswith('exit code 0')


@pytest.mark.parametrize('model', ['AMSNetModel', 'SRModel'])
def test_a_loss_that_is_no_number_stops_the_run(trainings, make_folder, tmp_path, model):
    noisy = make_folder('noisy')
    opt = options(noisy, 'nan', 30, save_checkpoint_freq=1)
    opt['train']['optim_g'].update(type='SGD', lr=1e30)
    opt['train']['warmup_iter'] = -1
    del opt['val']['save_best']
    if model == 'SRModel':
        opt.update(model_type=model, scale=1)
        opt['datasets'] = {
            phase: {'name': phase, 'type': 'PairedImageDataset', 'dataroot_lq': str(noisy), 'dataroot_gt': str(noisy),
                    'io_backend': {'type': 'disk'}, **more}
            for phase, more in (
                ('train', {'gt_size': 40, 'use_hflip': True, 'use_rot': True, 'batch_size_per_gpu': 2,
                           'num_worker_per_gpu': 0, 'dataset_enlarge_ratio': 20}),
                ('val', {}),
            )
        }  # fmt: skip
        del opt['scheme'], opt['train']['mask_opt']
        opt['train']['pixel_opt'] = {'type': 'L1Loss'}
        opt['val'] = {'val_freq': 1000, 'save_img': False, 'metrics': {'psnr': PSNR}}
    output = trainings.run('-opt', write(tmp_path / 'train.yml', opt))
    assert output.endswith('exit code 1') and 'Traceback' not in output
    stopped = re.search(
        r'Training ended: (l_\w+ is (nan|inf) at iteration (\d+) \(learning rate \S+; images of the batch: (.*)\)|'
        r'\d+ of \d+ weights are NaN or infinite)', output
    )  # fmt: skip
    assert stopped
    if stopped[3]:
        assert re.search(r'im\d\.png', stopped[4])
    for path in (tmp_path / 'experiments' / 'nan' / 'models').glob('*.pth'):
        saved = torch.load(path, weights_only=True)
        saved.pop('made_with')
        assert all(value.isfinite().all() for values in saved.values() for value in values.values())
