"""What every optimizer keeps of parameters of any shape passes the check of a state that is resumed."""

import pytest
import torch

from amsnet_basicsr.resume.model import check_moments

NAMES = ['ASGD', 'Adadelta', 'Adagrad', 'Adam', 'AdamW', 'Adamax', 'NAdam', 'RAdam', 'RMSprop', 'Rprop', 'SGD']


@pytest.mark.parametrize('name', [*NAMES, 'Adafactor'])
def test_moments_of_a_step_fit(name):
    if not hasattr(torch.optim, name):
        pytest.skip('not in this version of PyTorch')
    parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in ((3, 4, 2, 2), (5,), ())]
    settings = {'lr': 0.01, **({'momentum': 0.9} if name == 'SGD' else {})}
    trained, resumed = (getattr(torch.optim, name)(parameters, **settings) for _ in range(2))
    for parameter in parameters:
        parameter.grad = -torch.ones_like(parameter)
    trained.step()
    resumed.load_state_dict(trained.state_dict())
    check_moments(resumed)
    moments = resumed.state[parameters[1]]
    key = next(key for key, value in moments.items() if isinstance(value, torch.Tensor) and value.dim())
    moments[key] = torch.zeros(7)
    with pytest.raises(ValueError, match=f'{key} of an optimizer does not fit its parameter'):
        check_moments(resumed)
