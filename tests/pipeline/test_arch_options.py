"""The options of the paper's experiment for each denoiser: Restormer's with another network, and right."""

import importlib
from typing import Any

import pytest

from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.options.checks.run import check_options
from amsnet_basicsr.options.reader import read_options
from tests.conftest import REPOSITORY
from tests.pipeline.options import a_thousand_images
from tests.pipeline.test_ablation import PARAMETERS

FOLDER = REPOSITORY / 'options'
WORDS = ('nafnet', 'deamnet', 'unet', 'dncnn')
STAGES = ('train', 'finetune', 'test')


def leaves(options: Any, path: tuple = ()) -> dict[tuple, Any]:
    """All values by the keys that lead to them."""
    if not isinstance(options, dict):
        return {path: options}
    return {key: value for name, inner in options.items() for key, value in leaves(inner, (*path, name)).items()}


def test_files_are_what_the_script_writes(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / 'scripts')
    files = importlib.import_module('make_arch_options').render_all()
    assert set(files) == {f'{stage}_amsnet_{word}.yml' for stage in STAGES for word in WORDS}
    for name, text in files.items():
        assert (FOLDER / name).read_text() == text, f'run scripts/make_arch_options.py: {name} is old'


@pytest.mark.parametrize('word', WORDS)
@pytest.mark.parametrize('stage', STAGES)
def test_only_network_batch_and_names_differ_from_restormer(stage, word):
    own = leaves(read_options(f'{FOLDER}/{stage}_amsnet_{word}.yml'))
    model = leaves(read_options(f'{FOLDER}/{stage}_amsnet_restormer.yml'))
    differ = {key for key in own.keys() | model.keys() if key[0] != 'network_g' and own.get(key) != model.get(key)}
    batch = {
        'train': {('train', 'accumulate')},  # only Restormer needs it for a batch of 8 in 24 GB
        'finetune': {('datasets', 'train', 'batch_size_per_gpu')},
        'test': set(),
    }[stage]
    weights = {('path', 'pretrain_network_g')} if stage != 'train' else set()
    assert differ == {('name',)} | batch | weights
    for key in differ - batch:
        assert own[key] == model[key].replace('restormer', word)


@pytest.mark.parametrize('word', WORDS)
def test_options_build_the_networks_of_the_paper_and_pass_the_check(word, monkeypatch):
    monkeypatch.setattr('amsnet_basicsr.options.checks.run.wrong_inputs', lambda opt: [])
    monkeypatch.setattr('amsnet_basicsr.options.checks.data.build_dataset', a_thousand_images)
    networks = []
    for stage in STAGES:
        options = read_options(f'{FOLDER}/{stage}_amsnet_{word}.yml')
        networks.append(dict(options['network_g']))
        options.update(is_train=stage != 'test', dist=False, rank=0, world_size=1, num_gpu=0)
        assert check_options(options)[:2] == ([], [])
    assert networks[0] == networks[1] == networks[2]
    name = networks[0].pop('type')
    net = ARCHS[name](**networks[0])
    assert sum(parameter.numel() for parameter in net.parameters()) == PARAMETERS[name]
