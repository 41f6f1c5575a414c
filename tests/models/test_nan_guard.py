"""What happens at a loss that is NaN or infinite."""

import pytest
import torch

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.models.nan_guard import LossGuard
from amsnet_basicsr.utils.errors import UserError
from tests.models.test_amsnet_model import batch, build

NAN = {'l_mask': torch.tensor(0.5), 'l_smooth': torch.tensor(float('nan'))}
GOOD = {'l_mask': torch.tensor(0.5)}


def test_stop_names_loss_iteration_rate_and_images():
    guard = LossGuard('stop', warn=pytest.fail)
    assert guard.check(GOOD, 1, 1e-3, ['a.png'])
    expected = r'l_smooth is nan at iteration 2 \(learning rate 0\.001; images of the batch: a\.png, b\.png\)'
    with pytest.raises(UserError, match=expected):
        guard.check(NAN, 2, 1e-3, ['a.png', 'b.png'])


def test_skip_warns_and_gives_up_after_twenty_in_a_row():
    said: list[str] = []
    guard = LossGuard('skip', said.append)
    for iteration in range(19):
        assert not guard.check(NAN, iteration, 1e-3, [])
    assert guard.check(GOOD, 19, 1e-3, [])  # the row ends
    for iteration in range(20, 39):
        assert not guard.check({'l_mask': torch.tensor(float('inf'))}, iteration, 1e-3, ['x.png'])
    assert len(said) == 38 and 'l_mask is inf at iteration 38' in said[-1] and 'batch left out' in said[-1]
    with pytest.raises(UserError, match='as in the 20 batches up to here'):
        guard.check(NAN, 39, 1e-3, [])


@pytest.mark.parametrize('policy', ['stop', 'skip'])
def test_a_bad_batch_leaves_the_weights_alone(tmp_path, policy):
    options = {'train': {**build(tmp_path).opt['train'], 'on_bad_loss': policy}}
    options['train']['optim_g'] = {'type': 'AdamW', 'lr': 1e-3}
    options['train']['scheduler'] = {'type': 'CosineAnnealingRestartLR', 'periods': [6]}
    del options['train']['pixel_opt']
    options['train']['mask_opt'] = {'type': 'MaskL1Loss'}
    model = build(tmp_path, **options)
    before = {name: value.clone() for name, value in model.net_g.named_parameters()}
    bad = batch()
    bad['lq'][0, 0, 0, 0] = float('nan')
    model.feed_data(bad)
    if policy == 'stop':
        with pytest.raises(UserError, match='images of the batch: a, a'):
            model.optimize_parameters(1)
    else:
        model.optimize_parameters(1)
    assert all(torch.equal(before[name], value) for name, value in model.net_g.named_parameters())
    model.feed_data(batch())
    model.optimize_parameters(2)
    assert not all(torch.equal(before[name], value) for name, value in model.net_g.named_parameters())
    assert all(value.isfinite().all() for value in model.net_g.parameters())
