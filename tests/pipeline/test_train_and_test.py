"""One training through BasicSR with everything switched on, then testing its weights."""

import math
import re
from pathlib import Path

import cv2
import numpy as np
import torch

from tests.conftest import REPOSITORY
from tests.pipeline.options import PSNR, test_options, train_options, write


def test_train_validate_save_and_test(run, make_folder, tmp_path):
    noisy, clean = make_folder('noisy'), make_folder('clean', first_seed=50)
    options = train_options(noisy, name='everything')
    options['train'].update(warmup_iter=3, grad_clip_norm=0.5)
    options['datasets']['val_2'] = {
        'name': 'pairs', 'type': 'PairedImageDataset', 'dataroot_lq': str(noisy), 'dataroot_gt': str(clean),
        'io_backend': {'type': 'disk'},
    }  # fmt: skip
    options['scale'] = 1
    options['val'] = {
        'val_freq': 3, 'save_img': True, 'strip': 2, 'save_best': {'metric': 'psnr', 'dataset': 'pairs'},
        'metrics': {
            'psnr': PSNR, 'ssim': {'type': 'calculate_ssim', 'crop_border': 0},
            'mask_l1': {'type': 'calculate_mask_l1'},
        },
    }  # fmt: skip
    options['logger']['use_tb_logger'] = True
    # The launcher in this repository puts experiments beside itself: run a copy, to leave the repository alone.
    (tmp_path / 'basicsr').mkdir()
    for name in ('train.py', 'test.py'):
        (tmp_path / 'basicsr' / name).write_bytes((REPOSITORY / 'basicsr' / name).read_bytes())
    result = run('basicsr/train.py', '-opt', write(tmp_path / 'train.yml', options))
    log = result.stdout + result.stderr

    assert re.search(r'Validation pairs: the noisy input has psnr \d+\.\d+, ssim', log)
    assert 'Validation held-out: no ground truth, so no psnr, ssim' in log
    assert re.search(r'# mask_l1: 0\.\d{4}\tBest: 0\.\d{4} @ \d+ iter', log)
    assert 'Weights    experiments/everything/models/net_g_latest.pth' in result.stdout

    root = tmp_path / 'experiments' / 'everything'
    assert {path.name for path in (root / 'models').iterdir()} == {
        'net_g_3.pth', 'net_g_6.pth', 'net_g_latest.pth', 'net_g_best.pth', 'net_g_best.json'
    }  # fmt: skip
    assert (root / 'training_states' / '6.state').is_file()
    weights = torch.load(root / 'models' / 'net_g_latest.pth', weights_only=True)
    assert set(weights) == {'params', 'params_ema', 'made_with'}
    made = weights['made_with']
    assert (made['iteration'], made['manual_seed'], made['images'], made['batch'], made['processes']) == (
        -1,
        0,
        4,
        2,
        1,
    )
    assert made['network_g']['type'] == 'DnCNN' and made['datasets']['train']['crop_size'] == 40
    running = [name for name in weights['params_ema'] if name.endswith('running_mean')]
    assert running and all(weights['params_ema'][name].abs().max() > 0 for name in running)  # EMA took the statistics

    for set_name in ('pairs', 'held-out'):
        assert (root / 'visualization' / set_name / 'im0' / 'im0_3.png').is_file()
    strips = sorted((root / 'visualization' / 'strips' / 'pairs').glob('*_3.png'))
    assert len(strips) == 2
    strip, name = cv2.imread(str(strips[0])), strips[0].name.replace('_3', '')
    assert strip.shape == (64, 3 * 72 + 8, 3)
    assert np.array_equal(strip[:, :72], cv2.imread(str(noisy / name)))
    assert np.array_equal(strip[:, -72:], cv2.imread(str(clean / name)))
    assert cv2.imread(str(root / 'visualization' / 'strips' / 'held-out' / 'im0_3.png')).shape == (64, 2 * 72 + 4, 3)

    scalars = _scalars(tmp_path / 'tb_logger' / 'everything')
    assert {'losses/l_mask', 'lr', 'metrics/pairs/psnr', 'metrics/held-out/mask_l1'} <= set(scalars)
    assert scalars['lr'][1] < scalars['lr'][3]  # warm-up
    assert all(math.isfinite(value) for value in scalars['losses/l_mask'].values())

    options = test_options(noisy, root / 'models' / 'net_g_best.pth', name='everything-test')
    options['scheme'] = {'refine': {'type': 'R3', 'samples': 2}}
    options['val'] = {'save_img': True, 'suffix': 'denoised', 'strip': 0, 'metrics': options['val']['metrics']}
    result = run('basicsr/test.py', '-opt', write(tmp_path / 'test.yml', options))
    assert '# mask_l1:' in result.stdout + result.stderr
    images = tmp_path / 'results' / 'everything-test' / 'visualization' / 'held-out'
    assert sorted(path.name for path in images.iterdir()) == [f'im{i}_denoised.png' for i in range(4)]
    first = {path.name: path.read_bytes() for path in images.iterdir()}
    run('-m', 'amsnet_basicsr.test', '-opt', tmp_path / 'test.yml')  # the same again, by the other command
    assert first == {path.name: path.read_bytes() for path in images.iterdir()}


def test_output_that_cannot_be_written_stops_nothing(fork_server, make_folder, tmp_path):
    file = write(tmp_path / 'train.yml', train_options(make_folder('noisy'), name='full'))
    full = Path('/dev/full')
    child = fork_server.start('-m', 'amsnet_basicsr.train', '-opt', file, cwd=tmp_path, stdout=full, stderr=full)
    assert fork_server.wait(child) == 0
    root = tmp_path / 'experiments' / 'full'
    assert (root / 'models' / 'net_g_latest.pth').is_file() and '# mask_l1' in next(root.glob('*.log')).read_text()


def _scalars(folder: Path) -> dict[str, dict[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={'images': 0})
    events.Reload()
    assert any(tag.startswith('pairs/') for tag in events.Tags()['images'])
    return {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()['scalars']}
