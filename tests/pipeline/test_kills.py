"""A training that is killed at random moments ends with the weights of an undisturbed one.

    AMSNET_KILLS=500 pytest -n 0 tests/pipeline/test_kills.py

spreads so many kills over the configurations. A kill waits for something that happens in the training, never for a
time, and the training it ends could go on without end: progress is certain and no kill comes too late, on any machine.
"""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.pipeline.options import train_options, write
from tests.pipeline.trainings import Trainings

KILLS = int(os.environ.get('AMSNET_KILLS', 20))
CONFIGURATIONS = ('amsnet',)
START_UP = ('Version Information', 'Dataset [', 'Network [', 'Resuming training', 'Start training from')

if KILLS > 100:
    pytestmark = pytest.mark.timeout(0)


def options(folder: Path, name: str, total: int) -> dict:
    """A rate that does not depend on `total_iter`; epochs of 6 iterations; batch statistics, EMA, best weights."""
    result = train_options(folder, name=name)
    result['train'].update(total_iter=total, warmup_iter=3)
    result['train']['scheduler'] = {'type': 'MultiStepLR', 'milestones': [40, 80], 'gamma': 0.5}
    result['datasets']['train']['dataset_enlarge_ratio'] = 3
    result['logger']['save_checkpoint_freq'] = 2
    result['val'].update(val_freq=5, save_best='mask_l1')
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


@pytest.mark.parametrize('name', CONFIGURATIONS)
def test_killed_at_random_moments(trainings, make_folder, tmp_path, name):
    noisy = make_folder('noisy')
    root = tmp_path / 'experiments' / 'killed'
    file = write(tmp_path / 'killed.yml', options(noisy, 'killed', 10**6))
    rng = random.Random(name)
    for _ in range(KILLS // len(CONFIGURATIONS)):
        reached = moment(rng, root, trainings)
        child = trainings.start('-opt', file, '--auto_resume')
        trainings.wait_until(reached, pause=rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        assert trainings.wait() == -signal.SIGKILL, trainings.output()[-3000:]
    assert newest(root) > 0  # there was progress to lose
    total = newest(root) + 3
    for experiment in ('killed', 'whole'):
        last = write(tmp_path / f'{experiment}.yml', options(noisy, experiment, total))
        assert trainings.run('-opt', last, '--auto_resume').endswith('exit code 0')
    killed, whole = (
        torch.load(tmp_path / 'experiments' / experiment / 'models' / 'net_g_latest.pth', weights_only=True)
        for experiment in ('killed', 'whole')
    )
    for kind in ('params', 'params_ema'):
        assert all(torch.equal(killed[kind][key], value) for key, value in whole[kind].items())
    assert not list(root.parent.glob('*_archived_*/training_states/*.state'))  # no checkpoint was put aside
