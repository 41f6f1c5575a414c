"""The files in options/ablation: what the script writes, differing only in what they compare, and running."""

import copy
import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from amsnet_basicsr import plugin
from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.preflight.checks import check_options
from tests.conftest import REPOSITORY
from tests.pipeline.options import write
from tests.pipeline.test_archs import DRIVER

FOLDER = REPOSITORY / 'options' / 'ablation'
FILES = sorted(FOLDER.glob('*.yml'))
PARAMETERS = {
    'DBSNl': 3656131, 'DeamNet': 2228131, 'DnCNN': 559363, 'NAFNetBaseline': 29056227, 'Restormer': 26111668,
    'UNet': 7935555,
}  # fmt: skip


def load(path: Path) -> dict[str, Any]:
    text = path.read_text()
    assert text.count('plugin: !!python/name:amsnet_basicsr.__version__\n') == 1
    return yaml.safe_load(text.replace('!!python/name:amsnet_basicsr.__version__', plugin.__version__))


def parameters(small: bool) -> list:
    """The files of one size as test parameters."""
    return [pytest.param(path, id=path.stem) for path in FILES if path.stem.endswith('_small') == small]


def test_files_are_what_the_script_writes(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / 'scripts')
    script = importlib.import_module('make_ablation_options')
    assert {path.name: path.read_text() for path in FILES} == script.render_all()


def test_both_tables_are_complete():
    rows = {(options['model_type'], options['network_g']['type'], options['network_g'].get('dilated'), path.stem[:6],
             path.stem.endswith('_small')) for path in FILES for options in [load(path)]}  # fmt: skip
    table3 = {(model, 'DBSNl', dilated) for model in ('APBSNModel', 'AMSNetModel') for dilated in (True, False)}
    table4 = {('AMSNetModel', name, None) for name in ('Restormer', 'DeamNet', 'NAFNetBaseline', 'UNet', 'DnCNN')}
    sizes = (True, False)
    expected = {(*row, 'table3', small) for row in table3 for small in sizes}
    expected |= {(*row, 'table4', small) for row in table4 for small in sizes}
    assert rows == expected and len(FILES) == len(expected)


@pytest.mark.parametrize('path', parameters(small=True) + parameters(small=False))
def test_options_pass_the_check_once_their_data_is_there(path, monkeypatch):
    options = load(path)
    assert options['name'] == path.stem
    options.update(is_train=True, dist=False, rank=0, world_size=1, num_gpu=0)
    monkeypatch.setattr('amsnet_basicsr.preflight.checks._paths', lambda opt: [])
    monkeypatch.setattr('amsnet_basicsr.preflight.checks._count_images', lambda opt: 1000)
    assert check_options(options) == ([], [])


def compared(path: Path) -> dict[str, Any]:
    """Options without what a table compares."""
    options = load(path)
    for key in ('name', 'model_type', 'network_g'):
        options.pop(key, None)
    for section, keys in (('scheme', ('branches', 'pad')), ('train', ('mask_opt', 'pixel_opt'))):
        for key in keys:
            options[section].pop(key, None)
    return options


@pytest.mark.parametrize(('table', 'iterations'), [('table3', 6000), ('table4', 1500)])
def test_small_files_of_a_table_have_an_equal_budget(table, iterations):
    first, *others = [compared(path) for path in FILES if path.stem.startswith(table) and path.stem.endswith('_small')]
    assert first['train']['total_iter'] == iterations and first['datasets']['train']['batch_size_per_gpu'] == 2
    assert len(others) > 2 and all(other == first for other in others)


def test_paper_files_have_the_settings_of_the_paper():
    restormer = load(REPOSITORY / 'options' / 'train_amsnet_restormer.yml')
    assert load(FOLDER / 'table4_restormer.yml')['network_g'] == restormer['network_g']
    for path in FILES:
        if path.stem.endswith('_small'):
            continue
        options, model = load(path), load(path)['model_type']
        assert (options['scheme']['train_stride'], options['scheme']['test_stride']) == (5, 2)
        assert options['train']['optim_g'] == {'type': 'AdamW', 'lr': 1e-4, 'weight_decay': 0}
        assert options['train']['total_iter'] == restormer['train']['total_iter']
        data, expected = options['datasets']['train'], restormer['datasets']['train']
        assert all(data[key] == expected[key] for key in ('dataroot_lq', 'io_backend', 'crop_size'))
        loss = {'AMSNetModel': 'mask_opt', 'APBSNModel': 'pixel_opt'}[model]
        assert set(options['train']) & {'mask_opt', 'pixel_opt'} == {loss}


@pytest.mark.parametrize('path', parameters(small=False))
def test_paper_files_have_networks_of_the_official_size(path):
    network = load(path)['network_g']
    kind = network.pop('type')
    with torch.device('meta'):
        net = ARCHS[kind](**network)
    assert sum(parameter.numel() for parameter in net.parameters()) == PARAMETERS[kind]


def shortened(path: Path, noisy: Path, clean: Path, lmdb: Path) -> dict[str, Any]:
    """The options on other data, for one step of small crops."""
    options = copy.deepcopy(load(path))
    del options['plugin']  # `write` puts the line back
    train = options['datasets']['train']
    train.update(
        dataroot_lq=str(lmdb if 'io_backend' in train else noisy), crop_size=40, batch_size_per_gpu=2,
        num_worker_per_gpu=0,
    )  # fmt: skip
    for phase, dataset in options['datasets'].items():
        if 'meta_info_file' in dataset:
            dataset['meta_info_file'] = str(noisy.parent / 'names.txt')
        if phase != 'train':
            dataset.update(dataroot_lq=str(noisy), dataroot_gt=str(clean))
    options['train'].update(total_iter=1, warmup_iter=-1)
    options['train']['scheduler']['periods'] = [1]
    options['report']['refine'][1]['samples'] = 1
    options['logger'].update(print_freq=1, use_tb_logger=False)
    return options


def run_all(run, paths, make_folder, make_lmdb, tmp_path) -> None:
    size = (48, 56)
    noisy, clean = make_folder('noisy', 2, size), make_folder('clean', 2, size, 9)
    (tmp_path / 'names.txt').write_text('im0.png\nim1.png\n')
    lmdb = make_lmdb(noisy)
    files = []
    for path in paths:
        files.append(write(tmp_path / path.name, shortened(path, noisy, clean, lmdb), plugin=True))
    result = run('-c', DRIVER, *files)
    for file in files:
        assert f'FINISHED {file}' in result.stdout
        table = (tmp_path / 'experiments' / file.stem / 'report' / 'report.md').read_text()
        assert table.count('no refinement') == table.count('R3 (samples 1') == table.count('Gaussian blur') >= 1


def test_small_files_run(run, make_folder, make_lmdb, tmp_path):
    paths = [parameter.values[0] for parameter in parameters(small=True) if not parameter.marks]
    run_all(run, paths, make_folder, make_lmdb, tmp_path)


def test_paper_files_run(run, make_folder, make_lmdb, tmp_path):
    """One of each model; the other networks are only counted, as running them takes long without a GPU."""
    paths = [FOLDER / 'table3_apbsn_da.yml', FOLDER / 'table4_dncnn.yml']
    run_all(run, paths, make_folder, make_lmdb, tmp_path)
