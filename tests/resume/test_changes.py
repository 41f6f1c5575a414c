"""Resuming with changed options: the file counts, moments are kept where they fit."""

import copy

import pytest
import torch

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.patches.models.build import build_model
from amsnet_basicsr.resume.changes import differences
from amsnet_basicsr.resume.checkpoints import training_state
from amsnet_basicsr.utils.errors import UserError
from tests.models.test_amsnet_model import PLAIN, batch
from tests.pipeline.options import train_options


class Run:
    """What a model asks of a run."""

    validated, stopping, model, threads = False, False, None, None

    def __init__(self, opt: dict) -> None:
        self.made_with = {'train': copy.deepcopy(opt['train']), 'batch': 2}
        self.resumed: list = []

    def resume(self, state: dict, other_data: bool) -> None:
        self.resumed.append((state['iter'], other_data))


def build(folder, **train):
    opt = train_options(folder, network_g=dict(PLAIN))
    opt['train']['scheduler']['periods'] = [12]
    opt['train'].update(warmup_iter=3, **train)
    opt.update(num_gpu=0, is_train=True, dist=False, rank=0, world_size=1)
    opt['path'] = {'models': str(folder), 'resume_state': 'x/4.state'}
    torch.manual_seed(0)
    return build_model(opt, Run(opt))


def steps(model, first: int, last: int) -> list[float]:
    rates = []
    for iteration in range(first, last + 1):
        model.update_learning_rate(iteration, 3)
        model.feed_data(batch())
        model.optimize_parameters(iteration)
        rates.append(model.get_current_learning_rate()[0])
    return rates


@pytest.fixture
def state(tmp_path) -> dict:
    """Saved after 4 of 6 iterations."""
    model = build(tmp_path)
    steps(model, 1, 4)
    return copy.deepcopy(training_state(model, 0, 4))


def test_an_unchanged_training_goes_on_exactly(tmp_path, state):
    whole, resumed = build(tmp_path), build(tmp_path)
    steps(whole, 1, 4)
    resumed.net_g.load_state_dict(copy.deepcopy(whole.net_g.state_dict()))
    resumed.resume_training(copy.deepcopy(state))
    assert resumed.run.resumed == [(4, False)]
    assert steps(whole, 5, 6) == steps(resumed, 5, 6)
    assert all(torch.equal(*pair) for pair in zip(whole.net_g.parameters(), resumed.net_g.parameters(), strict=True))


@pytest.mark.parametrize(
    'changes',
    [
        {'optim_g': {'type': 'AdamW', 'lr': 2e-3, 'weight_decay': 0.1}},
        {'optim_g': {'type': 'AdamW', 'lr': 2e-3, 'weight_decay': 0, 'capturable': True, 'foreach': True}},
        {'scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': [40], 'eta_min': 1e-6}},
        {'scheduler': {'type': 'MultiStepLR', 'milestones': [5, 7], 'gamma': 0.5}},
        {'optim_g': {'type': 'SGD', 'lr': 0.5, 'momentum': 0.9}},
    ],
)
def test_rates_and_schedule_are_those_of_the_file(tmp_path, state, changes, caplog):
    whole, resumed = build(tmp_path, **copy.deepcopy(changes)), build(tmp_path, **copy.deepcopy(changes))
    resumed.resume_training(copy.deepcopy(state))
    rates = steps(whole, 1, 9)
    assert steps(resumed, 5, 9) == pytest.approx(rates[4:])
    group = resumed.optimizer_g.param_groups[0]
    assert group['weight_decay'] == changes.get('optim_g', {}).get('weight_decay', 0)
    moments = next(iter(resumed.optimizer_g.state.values()))
    if changes.get('optim_g', {}).get('type') == 'SGD':
        assert 'momentum_buffer' in moments
    else:
        assert moments['step'].item() == 9  # the moments of the state, gone on with


def test_another_batch_is_told_to_the_run(tmp_path, state):
    resumed = build(tmp_path)
    resumed.run.made_with['batch'] = 4
    resumed.resume_training(copy.deepcopy(state))
    assert resumed.run.resumed == [(4, True)]


@pytest.mark.parametrize('schedulers', [[], [{'periods': 'x', 'last_epoch': -5}]])
def test_the_schedule_depends_on_options_and_iteration_alone(tmp_path, state, schedulers):
    rates = steps(build(tmp_path), 1, 6)
    resumed = build(tmp_path)
    resumed.resume_training({**state, 'schedulers': schedulers})
    assert steps(resumed, 5, 6) == rates[4:]


@pytest.mark.parametrize('kind', ['shape', 'count'])
def test_a_state_that_does_not_fit_ends_in_a_line(tmp_path, state, kind):
    if kind == 'shape':
        next(iter(state['optimizers'][0]['state'].values()))['exp_avg'] = torch.zeros(7)
    else:
        state['optimizers'][0]['param_groups'][0]['params'].append(99)
    with pytest.raises(UserError, match=r'^x/4\.state does not fit this training: \w+Error: ') as caught:
        build(tmp_path).resume_training(state)
    assert str(caught.value).isprintable()


def test_differences_name_what_matters():
    old = {'train': {'optim_g': {'lr': 1}, 'total_iter': 5}, 'batch': 2}
    new = {'train': {'optim_g': {'lr': 2, 'eps': 3}, 'total_iter': 9}, 'batch': 2}
    assert list(differences(old, new)) == [('train.optim_g.lr', 1, 2), ('train.optim_g.eps', None, 3)]
