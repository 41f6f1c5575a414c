"""Checkpoints from outside, as BasicSR loads them: tensors only, and one line for whatever is wrong."""

import pytest
import torch

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.convert.basicsr_files import state_problem, weights_problem
from amsnet_basicsr.patches.models.build import build_model
from amsnet_basicsr.utils.errors import UserError
from tests.hostile_files import hostile_checkpoint
from tests.pipeline.options import train_options

STATE = {'epoch': 0, 'iter': 3, 'optimizers': [], 'schedulers': []}


def model(kind: str, folder):
    """Build a model of the tiny network with freshly drawn weights."""
    options = train_options(folder, model_type=kind)
    options.update(num_gpu=0, is_train=False, dist=False, rank=0, world_size=1)
    return build_model(options)


@pytest.mark.parametrize('zipped', [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, zipped):
    trace = tmp_path / 'trace'
    weights = hostile_checkpoint(tmp_path / 'a.pth', trace, {'params': {'x': torch.zeros(1)}}, zipped)
    state = hostile_checkpoint(tmp_path / '3.state', trace, STATE, zipped)
    for path, problem in ((weights, weights_problem(weights)), (state, state_problem(state))):
        assert problem.startswith(f'{path}: it holds more than tensors and plain values (posix.system)')
        assert problem.endswith('ask whoever made it for weights alone (a state_dict)') and problem.isprintable()
    assert not trace.exists()


@pytest.mark.parametrize('kind', ['AMSNetModel', 'SRModel'])
def test_load_network_says_in_a_line_what_is_wrong(tmp_path, kind):
    subject = model(kind, tmp_path)
    right = subject.net_g.state_dict()
    torch.save({'params': right}, tmp_path / 'right.pth')
    subject.load_network(subject.net_g, str(tmp_path / 'right.pth'), True, 'params_ema')  # BasicSR falls back to params
    torch.save({'params': {**right, 'model.0.bias': torch.zeros(5)}}, tmp_path / 'shape.pth')
    torch.save({'weights': right}, tmp_path / 'key.pth')
    torch.save({'params': {'epoch': 3}}, tmp_path / 'no_weight.pth')
    torch.save([1, 2], tmp_path / 'list.pth')
    (tmp_path / 'torn.pth').write_bytes((tmp_path / 'right.pth').read_bytes()[:900])
    (tmp_path / 'folder.pth').mkdir()
    hostile_checkpoint(tmp_path / 'code.pth', tmp_path / 'trace', {'params': right})
    for name, reason in (
        ('shape.pth', 'does not fit DnCNN as network_g describes it: size mismatch for model.0.bias'),
        ('key.pth', "there is no key 'params'; there are: weights; set path.param_key_g"),
        ('no_weight.pth', "'epoch' below 'params' is no weight but of type int"),
        ('list.pth', 'it holds no named weights but a list'),
        ('torn.pth', 'it is damaged, or no file of PyTorch weights; copy or save it again'),
        ('folder.pth', 'it is a folder; name a file'),
        ('none.pth', 'there is no such file; name a file'),
        ('code.pth', 'may run code when opened; not opened'),
    ):
        with pytest.raises(UserError) as caught:
            subject.load_network(subject.net_g, str(tmp_path / name))
        message = str(caught.value)
        assert message.startswith(str(tmp_path / name)) and reason in message and message.isprintable(), message
    assert not (tmp_path / 'trace').exists()


def test_what_is_good_passes(tmp_path):
    torch.save({'params_ema': {'x': torch.zeros(1)}}, tmp_path / 'a.pth')
    torch.save({'x': torch.zeros(1)}, tmp_path / 'b.pth')
    torch.save(STATE, tmp_path / '3.state')
    assert weights_problem(tmp_path / 'a.pth', 'params_ema') is None
    assert weights_problem(tmp_path / 'b.pth', None) is None
    assert state_problem(tmp_path / '3.state') is None
    assert "no training state, as it has no 'epoch'" in state_problem(tmp_path / 'a.pth')
    (tmp_path / 'a.safetensors').write_bytes(bytes([2, 0, 0, 0, 0, 0, 0, 0]) + b'{}')
    assert 'convert_official_weights.py' in weights_problem(tmp_path / 'a.safetensors')
