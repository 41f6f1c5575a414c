"""The networks against outputs, names and sizes of the official implementations."""

import hashlib
import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from amsnet_basicsr.archs import ARCHS
from tests.archs.weights_from_names import fill_by_name

DATA = Path(__file__).parents[1] / 'vectors' / 'archs'
OFFICIAL = json.loads((DATA / 'official.json').read_text())
VECTORS = OFFICIAL['vectors']


def build(entry: dict) -> nn.Module:
    return ARCHS[entry['class']](**entry['kwargs'])


@pytest.fixture(params=VECTORS)
def vector(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_network_has_a_vector():
    assert {entry['class'] for entry in VECTORS.values()} == set(ARCHS)


def test_state_dict_has_the_official_names_shapes_and_order(vector: str):
    ours = [(name, list(tensor.shape)) for name, tensor in build(VECTORS[vector]).state_dict().items()]
    assert ours == list(VECTORS[vector]['state_dict'].items())


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_output_is_the_official_one_in_either_memory_layout(vector: str, layout: torch.memory_format):
    net = fill_by_name(build(VECTORS[vector])).to(memory_format=layout)
    with np.load(DATA / f'{vector}.npz') as reference, torch.no_grad():
        output = net(torch.from_numpy(reference['x']).contiguous(memory_format=layout))
        np.testing.assert_allclose(output.numpy(), reference['y'], rtol=0, atol=1e-5)


@pytest.mark.parametrize('name', OFFICIAL['full_size'])
@pytest.mark.parametrize('by_default', [False, True], ids=['arguments', 'defaults'])
def test_full_size_is_the_official_one_and_the_default(name: str, by_default: bool):
    entry = OFFICIAL['full_size'][name]
    with torch.device('meta'):  # shapes only: no time or memory for the weights
        net = ARCHS[entry['class']]() if by_default else build(entry)
    assert sum(parameter.numel() for parameter in net.parameters()) == entry['parameters']
    lines = sorted(f'{key}:{"x".join(map(str, tensor.shape))}' for key, tensor in net.state_dict().items())
    assert hashlib.sha256('\n'.join(lines).encode()).hexdigest() == entry['names_sha256']


def test_lists_and_tuples_are_alike(vector: str):
    kwargs = VECTORS[vector]['kwargs']
    tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in kwargs.items()}
    lists, tuples = build(VECTORS[vector]), ARCHS[VECTORS[vector]['class']](**tuples)
    assert list(lists.state_dict()) == list(tuples.state_dict())


def test_arguments_are_keywords_with_defaults(vector: str):
    parameters = inspect.signature(ARCHS[VECTORS[vector]['class']]).parameters.values()
    assert all(parameter.default is not inspect.Parameter.empty for parameter in parameters)
