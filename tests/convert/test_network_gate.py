"""The gate for networks that a file asks for: what is refused before, and stopped while building."""

import pytest
import torch
from torch import nn

from amsnet_basicsr.convert.errors import WeightsError
from amsnet_basicsr.convert.network_gate import refuse_arguments, within

WEIGHTS = {'a': torch.zeros(10)}


@pytest.mark.parametrize(
    ('arch', 'arguments', 'message'),
    [
        ('VGGFeatureExtractor', {}, 'downloads weights'),
        ('DRUNet', {'load_path': 'w.pth'}, 'load_path would read another file'),
        ('NAFNet', {'width': 10**9}, 'width: 1000000000 is more than any network has'),
        ('NAFNet', {'blocks': [[1, {'a': -(10**5)}]]}, 'blocks: -100000 is more'),
    ],
)
def test_what_is_refused_before_building(arch, arguments, message):
    with pytest.raises(WeightsError, match=message):
        refuse_arguments(arch, arguments)


def test_usual_arguments_pass():
    refuse_arguments('NAFNet', {'width': 64, 'blocks': [1, 2], 'spynet_path': None, 'act': 'relu', 'bias': True})


@pytest.mark.parametrize(
    ('build', 'kind'),
    [
        (lambda: [nn.Linear(1000, 10) for _ in range(10**6)], 'parameters'),
        (lambda: [nn.BatchNorm2d(10**4, affine=False) for _ in range(10**6)], 'buffers'),
        (lambda: nn.Sequential(*[nn.Sequential(nn.ReLU()) for _ in range(10**6)]), 'layers'),
    ],
    ids=['parameters', 'buffers', 'layers'],
)
def test_building_stops_when_a_network_outgrows_its_weights(build, kind):
    with pytest.raises(WeightsError, match=f'far more {kind} than these weights have'), within(WEIGHTS):
        build()
    nn.Linear(10**3, 10**4)  # nothing is counted any more


def test_a_network_of_the_size_of_its_weights_is_built():
    with within(nn.Linear(100, 200).state_dict()):
        nn.Sequential(nn.Linear(100, 200), nn.BatchNorm1d(200))
