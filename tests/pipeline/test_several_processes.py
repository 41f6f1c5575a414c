"""Training with two processes on the CPU, by torchrun and gloo."""

import os
import re
import signal
import time

import cv2
import psutil
import torch

from tests.models.test_amsnet_model import build
from tests.pipeline.options import test_options, train_options, write

NETWORK = {'type': 'DnCNN', 'in_nc': 3, 'out_nc': 3, 'nc': 8, 'nb': 4, 'act_mode': 'R'}  # no BatchNorm
TRAIN = ('-m', 'amsnet_basicsr.train')
TORCHRUN = ('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', *TRAIN)
TEST = ('-m', 'amsnet_basicsr.test')


def options(folder, name, total, batch):
    opt = train_options(folder, name=name, network_g=NETWORK)
    opt['datasets']['train']['batch_size_per_gpu'] = batch
    opt['train'].update(total_iter=total)
    opt['train']['scheduler']['periods'] = [total]
    opt['val']['save_best'] = 'mask_l1'
    return opt


def read(path):
    return torch.load(path, weights_only=True)


def test_two_processes_take_the_steps_of_one_and_resume(run, make_folder, tmp_path):
    noisy = make_folder('noisy', count=5)
    one = run(*TRAIN, '-opt', write(tmp_path / 'one.yml', options(noisy, 'one', 6, 2)))
    file = write(tmp_path / 'two.yml', options(noisy, 'two', 6, 1))
    two = run(*TRAIN, '-opt', file, '--launcher', 'pytorch', processes=2)
    models = tmp_path / 'experiments' / 'two' / 'models'
    expected, found = read(tmp_path / 'experiments/one/models/net_g_latest.pth'), read(models / 'net_g_latest.pth')
    for key in ('params', 'params_ema'):
        for name, value in expected[key].items():
            torch.testing.assert_close(found[key][name], value, atol=2e-5, rtol=1e-4)
    losses = [list(map(float, re.findall(r'l_mask: (\S+)', log.stdout + log.stderr))) for log in (one, two)]
    assert len(losses[0]) == len(losses[1]) == 6  # one process logs
    torch.testing.assert_close(*map(torch.tensor, losses), atol=2e-4, rtol=1e-3)
    metrics = [re.findall(r'# mask_l1: (\S+)', log.stdout + log.stderr) for log in (one, two)]
    assert len(metrics[0]) == 3 and len(metrics[1]) == 3
    torch.testing.assert_close(*(torch.tensor(list(map(float, values))) for values in metrics), atol=2e-4, rtol=0)

    for path in [models / 'net_g_6.pth', models.parent / 'training_states' / '6.state']:
        path.unlink()
    whole = read(models / 'net_g_latest.pth')
    again = run(*TRAIN, '-opt', file, '--launcher', 'pytorch', '--auto_resume', processes=2)
    assert 'iter: 3.' in again.stdout + again.stderr
    resumed = read(models / 'net_g_latest.pth')
    for key in ('params', 'params_ema'):
        assert all(torch.equal(resumed[key][name], value) for name, value in whole[key].items())
    assert [path.name for path in (tmp_path / 'experiments').iterdir() if 'archived' in path.name] == []


def endless(make_folder, tmp_path, name):
    """The options file of a training that a test ends."""
    opt = options(make_folder('noisy'), name, 100_000, 1)
    opt['datasets']['train']['dataset_enlarge_ratio'] = 100_000
    opt['val']['val_freq'] = opt['logger']['save_checkpoint_freq'] = 50_000
    return write(tmp_path / 'train.yml', opt)


def wait_for(log, text, running):
    while not log.exists() or text not in log.read_text():
        assert running(), log.read_text()[-3000:]
        time.sleep(0.05)


def test_a_process_that_dies_takes_the_run_down_with_its_reason(fork_server, make_folder, tmp_path):
    command = (*TORCHRUN, '-opt', endless(make_folder, tmp_path, 'dies'), '--launcher', 'pytorch')
    log = tmp_path / 'log'
    torchrun = psutil.Process(fork_server.start(*command, cwd=tmp_path, stdout=log, stderr=log))
    try:
        wait_for(log, 'iter:       1,', lambda: torchrun.status() != psutil.STATUS_ZOMBIE)
        trainers = [child for child in torchrun.children() if 'amsnet_basicsr' in ' '.join(child.cmdline())]
        second = next(child for child in trainers if child.environ().get('RANK') == '1')
        second.send_signal(signal.SIGKILL)
        assert fork_server.wait(torchrun.pid) != 0
    finally:
        if torchrun.is_running():
            torchrun.kill()
    text = log.read_text()
    assert 'Signal 9 (SIGKILL)' in text and re.search(r'rank\s*:\s*1', text)


def test_both_processes_stop_together_when_asked(start, fork_server, make_folder, tmp_path):
    command = (*TRAIN, '-opt', endless(make_folder, tmp_path, 'stops'), '--launcher', 'pytorch')
    children, files = start(command, tmp_path, 2)
    wait_for(
        files[1],
        'iter:       5,',
        lambda: all(psutil.Process(child).status() != psutil.STATUS_ZOMBIE for child in children),
    )
    for child in children:  # as torchrun passes it on
        os.kill(child, signal.SIGTERM)
    assert [fork_server.wait(child) for child in children] == [143, 143]
    log = ''.join(file.read_text() for file in files)
    stopped = int(re.search(r'Training stopped after iteration (\d+), saved as', log)[1])
    state = tmp_path / 'experiments' / 'stops' / 'training_states' / f'{stopped}.state'
    assert stopped % 10 == 0 and read(state)['iter'] == stopped


def test_two_processes_test_as_one_and_end_together(run, make_folder, tmp_path):
    noisy, clean = make_folder('noisy', count=5), make_folder('clean', count=5, first_seed=50)
    listing = tmp_path / 'list.txt'
    listing.write_text(''.join(f'im{number}.png (64,72,3) 1\n' for number in range(5)))
    model = build(tmp_path)
    model.save_network([model.net_g, model.net_g_ema], 'net_g', 'some', ['params', 'params_ema'])
    opt = test_options(noisy, tmp_path / 'net_g_some.pth', num_gpu=0)
    opt['datasets']['test'].update(
        type='PairedImageDataset', dataroot_gt=str(clean), io_backend={'type': 'disk'}, meta_info_file=str(listing)
    )
    opt['scale'] = 1
    metrics = {name: {'type': f'calculate_{name}', 'crop_border': 0} for name in ('psnr', 'ssim', 'mask_l1')}
    opt['val'] = {'save_img': True, 'strip': 3, 'batch_size': 2, 'metrics': metrics}
    logs, images = [], []
    for name, more, processes in (('one', [], 0), ('two', ['--launcher', 'pytorch'], 2)):
        opt['name'] = name
        file = write(tmp_path / f'{name}.yml', opt)
        result = run(*TEST, '-opt', file, *more, processes=processes)
        logs.append(re.findall(r'has psnr.*|# \w+: \S+', result.stdout + result.stderr))
        root = tmp_path / 'results' / name / 'visualization'
        found = {path.relative_to(root): cv2.imread(str(path)).astype(int) for path in root.rglob('*.png')}
        images.append({str(path).replace(name, ''): image for path, image in found.items()})
    assert logs[0] == logs[1] and len(logs[0]) == 4  # one process logs
    assert images[0].keys() == images[1].keys() and len(images[0]) == 5 + 3
    assert all(abs(image - images[1][path]).max() <= 1 for path, image in images[0].items())

    broken = noisy / 'im3.png'  # the second process's
    broken.write_bytes(broken.read_bytes()[:2000])
    opt.update(name='broken')
    result = run(*TEST, '-opt', write(file, opt), '--launcher', 'pytorch', processes=2, fails=True)
    log = result.stdout + result.stderr
    reason = rf"set 'held-out', image .*{re.escape(str(broken))}.*: cannot be read, is it damaged"
    assert re.search(f'Testing ended: {reason}', log)
    assert 'in test_pipeline' not in log  # no traceback of ours beside torchrun's own
    assert re.search(f'validation ended by process 1: {reason}', log)
