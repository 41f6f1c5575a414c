"""Checkpoints are bound together by hash, and the newest is the last in the history."""

import pytest
import torch

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.resume.checkpoints import checked_state
from amsnet_basicsr.resume.states import add_checkpoint, broken_files, forget_later, newest_intact, read_history
from amsnet_basicsr.utils.errors import UserError

STATE = {'epoch': 0, 'iter': 3, 'optimizers': [], 'schedulers': []}


def save(root, iteration: int) -> None:
    for folder in ('training_states', 'models'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    state, weights = root / 'training_states' / f'{iteration}.state', root / 'models' / f'net_g_{iteration}.pth'
    torch.save({**STATE, 'iter': iteration}, state)
    torch.save({'params': {'x': torch.full((3,), float(iteration))}}, weights)
    add_checkpoint(state, [weights])


def test_the_newest_is_the_last_saved_not_the_largest(tmp_path):
    states = tmp_path / 'training_states'
    for iteration in (3, 6, 9, 12):
        save(tmp_path, iteration)
    assert newest_intact(states, ['net_g']) == (states / '12.state', [])
    forget_later(states / '6.state')  # the training resumes from there
    assert newest_intact(states, ['net_g']) == (states / '6.state', [])
    save(tmp_path, 8)
    assert list(read_history(states)) == ['3.state', '6.state', '8.state']
    assert newest_intact(states, ['net_g'])[0] == states / '8.state'
    assert (states / '12.state').exists()


def test_every_single_flipped_bit_and_every_exchanged_file_is_noticed(tmp_path):
    save(tmp_path, 3)
    save(tmp_path, 6)
    state = tmp_path / 'training_states' / '6.state'
    weights = tmp_path / 'models' / 'net_g_6.pth'
    for path in (state, weights):
        whole = path.read_bytes()
        for place in range(0, len(whole), 7):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert broken_files(state, ['net_g']) == [path]
        path.write_bytes(whole)
    weights.write_bytes((tmp_path / 'models' / 'net_g_3.pth').read_bytes())
    assert newest_intact(state.parent, ['net_g']) == (state.parent / '3.state', [weights])


@pytest.mark.parametrize('damage', [b'', b'{', b'[{"iteration": "x"}]', b'3', b'[[]]'])
def test_without_a_history_the_files_tell(tmp_path, damage):
    for iteration in (3, 12):
        save(tmp_path, iteration)
    states = tmp_path / 'training_states'
    (states / 'history.json').write_bytes(damage)
    assert newest_intact(states, ['net_g']) == (states / '12.state', [])
    (states / '12.state').write_bytes(b'')
    assert newest_intact(states, ['net_g']) == (states / '3.state', [states / '12.state'])
    assert read_history(states) == {}


@pytest.mark.parametrize(
    'wrong',
    [
        {'epoch': -1}, {'epoch': 'x'}, {'epoch': True}, {'iter': 3.5}, {'iter': 10**30}, {'iter': None},
        {'optimizers': 3}, {'optimizers': [{'state': [], 'param_groups': []}]}, {'optimizers': [{'state': {}}]},
        {'optimizers': [{'state': {}, 'param_groups': [{'params': ['x'], 'lr': 1}]}]},
        {'optimizers': [{'state': {}, 'param_groups': [{'params': [0], 'lr': float('nan')}]}]},
        {'schedulers': {'a': 1}}, {'schedulers': [3]}, {'best': {'set': {'psnr': 3}}}, {'best': []},
        {'best': {'set': {'psnr': {'better': 'up', 'val': 1, 'iter': 3}}}}, {'validated': 'yes'}, {'model': 3},
        {'manual_seed': '5'}, {'made_with': 1}, {'iter': 4},
    ],
)  # fmt: skip
def test_states_with_wrong_content_are_refused_in_a_line(tmp_path, wrong):
    path = tmp_path / '3.state'
    assert checked_state(STATE, path) == STATE
    for content in ({**STATE, **wrong}, [STATE], 3, None):
        with pytest.raises(UserError) as caught:
            checked_state(content, path)
        assert str(caught.value).startswith(str(path)) and str(caught.value).isprintable()
