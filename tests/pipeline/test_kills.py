"""A training that is killed at random moments ends with the weights of an undisturbed one.

    AMSNET_KILLS=500 pytest -n 0 tests/pipeline/test_kills.py

spreads so many kills over the configurations. A kill waits for something that happens in the training, never for a
time, and the training it ends could go on without end: progress is certain and no kill comes too late, on any machine.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.pipeline.options import PSNR, train_options, write
from tests.pipeline.trainings import Trainings

KILLS = int(os.environ.get('AMSNET_KILLS', 24))
CONFIGURATIONS = ('amsnet', 'workers', 'student', 'apbsn', 'precision', 'processes')
START_UP = ('Version Information', 'Dataset [', 'Network [', 'Resuming training', 'Start training from')

if KILLS > 100:
    pytestmark = pytest.mark.timeout(0)


def options(configuration: str, noisy: Path, lmdb: Path, name: str, total: int) -> dict:
    """A rate that does not depend on `total_iter`; epochs of 6 iterations; batch statistics, EMA, best weights."""
    result = train_options(noisy, name=name)
    data, train, val = result['datasets']['train'], result['train'], result['val']
    train.update(total_iter=total, warmup_iter=3)
    train['scheduler'] = {'type': 'MultiStepLR', 'milestones': [40, 80], 'gamma': 0.5}
    data['dataset_enlarge_ratio'] = 3
    result['logger']['save_checkpoint_freq'] = 2
    val.update(val_freq=5, save_best='mask_l1')
    if configuration == 'workers':  # an LMDB, read ahead by two processes; validation refines and saves images
        data.update(num_worker_per_gpu=2, dataroot_lq=str(lmdb))
        result['scheme'] = {'refine': {'type': 'R3', 'samples': 2}}
        val['save_img'] = True
    elif configuration == 'student':  # BasicSR's own model and data set, which draws from Python's generator
        result.update(model_type='SRModel', scale=1)
        pairs = {
            'type': 'PairedImageDataset', 'dataroot_lq': str(noisy), 'dataroot_gt': str(noisy),
            'io_backend': {'type': 'disk'},
        }  # fmt: skip
        del data['crop_size'], result['scheme'], train['mask_opt'], val['save_best']
        data.update(pairs, gt_size=40, use_hflip=True, use_rot=True)
        result['datasets']['val'] = {'name': 'val', **pairs}
        train['pixel_opt'] = {'type': 'L1Loss'}
        val['metrics'] = {'psnr': PSNR}
    elif configuration == 'apbsn':
        result['model_type'] = 'APBSNModel'
        del train['mask_opt']
        train['pixel_opt'] = {'type': 'L1Loss'}
    elif configuration == 'precision':  # mixed precision, two parts to a batch, two losses, read ahead by a thread
        train.update(
            amp='bf16', accumulate=2, grad_clip_norm=1, smooth_opt={'type': 'SmoothnessLoss', 'loss_weight': 0.01}
        )
        data.update(prefetch_mode='cpu', num_prefetch_queue=2)
    elif configuration == 'processes':
        data['batch_size_per_gpu'] = 1
        result['network_g']['act_mode'] = 'R'
    return result


def moment(rng: random.Random, root: Path, trainings: Trainings) -> Callable[[], bool]:
    """Draw what a kill waits for: a line of the start-up, some iterations, or a file of a checkpoint."""
    before = len(trainings.output())

    def since() -> str:
        return trainings.output()[before:]

    def files() -> set[Path]:
        return {path for folder in ('models', 'training_states') for path in root.glob(f'{folder}/*')}

    kind = rng.choice(['start', 'iterations', 'iterations', 'file'])
    if kind == 'start':
        line = rng.choice(START_UP)
        return lambda: line in since() or 'iter:' in since()
    if kind == 'iterations':
        count = rng.randint(3, 9)
        return lambda: since().count('iter: ') >= count
    present, count = files(), rng.randint(1, 4)
    return lambda: len(files() - present) >= count


def newest(root: Path) -> int:
    return max((int(path.stem) for path in root.glob('training_states/*.state')), default=0)


@pytest.mark.parametrize('configuration', CONFIGURATIONS)
def test_killed_at_random_moments(trainings, make_folder, make_lmdb, tmp_path, configuration):
    noisy = make_folder('noisy')
    lmdb, root = make_lmdb(noisy), tmp_path / 'experiments' / 'killed'
    processes = 2 * (configuration == 'processes')
    file = write(tmp_path / 'killed.yml', options(configuration, noisy, lmdb, 'killed', 10**6))
    rng = random.Random(f'{configuration} {KILLS}')
    for _ in range(KILLS // len(CONFIGURATIONS)):
        reached = moment(rng, root, trainings)
        trainings.start('-opt', file, '--auto_resume', processes=processes)
        trainings.wait_until(reached, pause=rng.uniform(0, 0.02))
        trainings.kill()
    total = newest(root) + 3
    for experiment in ('killed', 'whole'):
        file = write(tmp_path / f'{experiment}.yml', options(configuration, noisy, lmdb, experiment, total))
        assert trainings.run('-opt', file, '--auto_resume', processes=processes).endswith('exit code 0')
    killed, whole = (
        torch.load(tmp_path / 'experiments' / experiment / 'models' / 'net_g_latest.pth', weights_only=True)
        for experiment in ('killed', 'whole')
    )
    for kind in ('params', 'params_ema'):
        assert all(torch.equal(killed[kind][key], value) for key, value in whole[kind].items())
    assert not list(root.parent.glob('*_archived_*/training_states/*.state'))  # no checkpoint was put aside
