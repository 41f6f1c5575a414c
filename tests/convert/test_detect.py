"""Networks are told by their weights alone."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.convert import WeightsError, detect_architecture
from amsnet_basicsr.convert.hyper_parameters import READERS
from tests.convert.networks import ALL_TINY, TINY, tiny


def some(items) -> list:
    """About forty of them, evenly."""
    return list(items)[:: 1 + len(items) // 40]


OFFICIAL = Path(__file__).parent.parent / 'vectors' / 'archs'


def test_every_network_of_ours_can_be_told():
    assert set(READERS) >= set(ARCHS)
    assert set(TINY) == set(ARCHS)


@pytest.mark.parametrize(('name', 'options'), ALL_TINY)
def test_small_networks(name, options):
    assert detect_architecture(ARCHS[name](**options).state_dict()) == (name, options)


@pytest.mark.parametrize('name', ARCHS)
def test_full_size_networks(name):
    with torch.device('meta'):
        net = ARCHS[name]()
        detected, options = detect_architecture(net.state_dict())
        again = ARCHS[detected](**options)
    assert detected == name
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in net.state_dict().items()}
    if name == 'Restormer':
        assert options['ffn_expansion_factor'] == 2.66


@pytest.mark.parametrize('factor', [1.0, 2.0, 2.5, 2.66, 3.999, 8 / 3])
@pytest.mark.parametrize('dim', [8, 48])
def test_the_feed_forward_factor_yields_the_same_sizes(dim, factor):
    options = {'dim': dim, 'num_blocks': [1] * 4, 'num_refinement_blocks': 1, 'ffn_expansion_factor': factor}
    with torch.device('meta'):
        net = ARCHS['Restormer'](**options)
        _, found = detect_architecture(net.state_dict())
        again = ARCHS['Restormer'](**found)
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in net.state_dict().items()}
    assert len(str(found['ffn_expansion_factor'])) <= len(str(factor))


@pytest.mark.parametrize('name', TINY)
def test_any_missing_or_additional_key_is_named(name):
    weights = tiny(name).state_dict()
    for key in some(weights):
        incomplete = {other: value for other, value in weights.items() if other != key}
        if name == 'DnCNN' and key == 'model.3.running_mean':
            continue  # below: without any statistics this would be another network
        with pytest.raises(WeightsError, match=r'(missing|unexpected) key|has the shape'):
            detect_architecture(incomplete)
    with pytest.raises(WeightsError, match=r"unexpected key 'skip_conv.weight'"):
        detect_architecture({**weights, 'skip_conv.weight': torch.zeros(1)})


@pytest.mark.parametrize(
    ('name', 'key'),
    [
        ('Restormer', 'encoder_level1.0.attn.temperature'), ('Restormer', 'latent.0.norm2.body.weight'),
        ('Restormer', 'output.weight'), ('NAFNet', 'middle_blks.1.conv5.bias'), ('NAFNet', 'intro.weight'),
        ('NAFNetBaseline', 'decoders.0.0.se.3.weight'), ('UNet', 'dec_conv1a.bias'), ('UNet', 'nin_c.weight'),
        ('DnCNN', 'model.0.weight'), ('DnCNN', 'model.3.running_var'), ('DnCNN', 'model.11.weight'),
        ('DBSNl', 'tail.6.weight'), ('DBSNl', 'branch2.body.0.mask'), ('DBSNl', 'branch1.body.7.body.2.bias'),
    ],
)  # fmt: skip
def test_the_missing_key_is_the_one_named(name, key):
    weights = tiny(name).state_dict()
    del weights[key]
    with pytest.raises(WeightsError, match=f'look like weights of {name}, but: missing key {key!r}'):
        detect_architecture(weights)


@pytest.mark.parametrize('name', TINY)
def test_a_file_that_breaks_off_is_refused(name):
    items = list(tiny(name).state_dict().items())
    for kept in some(range(len(items))):
        with pytest.raises(WeightsError):
            detect_architecture(dict(items[:kept]))


@pytest.mark.parametrize('name', TINY)
def test_a_weight_of_another_shape_is_named(name):
    weights = tiny(name).state_dict()
    key = [key for key, value in weights.items() if value.ndim == 1][-1]
    weights[key] = torch.zeros(len(weights[key]) + 1)
    with pytest.raises(WeightsError, match=f'{key!r} has the shape'):
        detect_architecture(weights)


@pytest.mark.parametrize(
    ('weights', 'key'),
    [
        ({'conv1.weight': torch.zeros(1)}, 'conv1.weight'),
        (nn.Sequential(nn.Conv2d(3, 3, 1)).state_dict(), '0.weight'),
        ({'intro.weight': torch.zeros(4, 3, 3, 3), 'a': torch.zeros(1), 'b': torch.zeros(1)}, 'a'),
        (
            {
                'encoders.999999999.0.beta': torch.zeros(1),
                'intro.weight': torch.zeros(4, 3, 3, 3),
                'downs.0.weight': torch.zeros(8, 4, 2, 2),
            },
            'encoders.999999999',
        ),
    ],
)
def test_unknown_networks(weights, key):
    with pytest.raises(WeightsError, match=f"unexpected key '{key}"):
        detect_architecture(weights)


def test_no_weights_or_odd_ones():
    with pytest.raises(WeightsError, match='no weights'):
        detect_architecture({})
    with pytest.raises(WeightsError, match=r"'intro.weight' has the shape \(3,\)"):
        detect_architecture({'intro.weight': torch.zeros(3)})
    weights = tiny('Restormer').state_dict()
    weights['latent.0.ffn.project_out.weight'] = torch.zeros(64, 17, 1, 1)
    with pytest.raises(WeightsError, match='no feed-forward factor'):
        detect_architecture(weights)


VECTORS = json.loads((OFFICIAL / 'official.json').read_text())['vectors']


@pytest.mark.parametrize('vector', VECTORS)
def test_official_names_and_shapes(vector):
    entry = VECTORS[vector]
    if entry['class'] not in ARCHS:
        pytest.skip(f'no {entry["class"]}')
    with torch.device('meta'):
        weights = {key: torch.empty(shape) for key, shape in entry['state_dict'].items()}
        name, options = detect_architecture(weights)
    assert name == entry['class']
    assert options.items() <= entry['kwargs'].items()
