"""The files in options/ablation: what the script writes, differing only in what they compare, and running."""

import copy
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from amsnet_basicsr import plugin
from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.options.checks.run import check_options
from tests.conftest import REPOSITORY
from tests.pipeline.options import write
from tests.pipeline.test_archs import DRIVER

FOLDER = REPOSITORY / 'options' / 'ablation'
SMALL = sorted(FOLDER.glob('*/*.yml'))
PAPER = sorted(FOLDER.glob('*/paper/*.yml'))
EQUAL_PASSES = sorted(FOLDER.glob('mask_ratio/equal_passes/*.yml'))
PARAMETERS = {
    'DBSNl': 3656131, 'DeamNet': 2228131, 'DnCNN': 559363, 'NAFNetBaseline': 29056227, 'Restormer': 26111668,
    'UNet': 7935555,
}  # fmt: skip


def load(path: Path) -> dict[str, Any]:
    text = path.read_text()
    assert text.count('plugin: !!python/name:amsnet_basicsr.__version__\n') == 1
    return yaml.safe_load(text.replace('!!python/name:amsnet_basicsr.__version__', plugin.__version__))


def parameters(paths: list[Path]) -> list:
    return [pytest.param(path, id=path.relative_to(FOLDER).as_posix()) for path in paths]


def settings(folder: str) -> dict[str, dict[str, Any]]:
    """The small settings of a folder."""
    return {path.stem: load(path) for path in SMALL if path.parent.name == folder}


def test_files_are_what_the_script_writes(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / 'scripts')
    script = importlib.import_module('make_ablation_options')
    files = {path.relative_to(FOLDER).as_posix(): path.read_text() for path in SMALL + PAPER + EQUAL_PASSES}
    assert files == script.render_all() and set(FOLDER.rglob('*.yml')) == {*SMALL, *PAPER, *EQUAL_PASSES}


@pytest.mark.parametrize('paths', [SMALL, PAPER], ids=['small', 'paper'])
def test_both_tables_are_complete(paths):
    folder = {'table3': 0, 'table4': 0}
    rows = set()
    for path in paths:
        table = next((name for name in folder if name in path.parts), None)
        if table:
            options = load(path)
            rows.add((table, options['model_type'], options['network_g']['type'], options['network_g'].get('dilated')))
            folder[table] += 1
    expected = {('table3', model, 'DBSNl', dilated) for model in ('APBSNModel', 'AMSNetModel') for dilated in (1, 0)}
    expected |= {
        ('table4', 'AMSNetModel', name, None) for name in ('Restormer', 'DeamNet', 'NAFNetBaseline', 'UNet', 'DnCNN')
    }
    assert rows == expected and folder == {'table3': 4, 'table4': 5}


@pytest.mark.parametrize('path', parameters(SMALL + PAPER + EQUAL_PASSES))
def test_options_pass_the_check_once_their_data_is_there(path, monkeypatch):
    options, small = load(path), path.parent.name != 'paper'
    folder = path.parent.name if small else path.parent.parent.name
    assert options['name'] == f'{"ablation_" * (path in SMALL)}{folder}_{path.stem}'
    options.update(is_train='train' in options, dist=False, rank=0, world_size=1, num_gpu=0)
    monkeypatch.setattr('amsnet_basicsr.options.checks.run._paths', lambda opt: [])
    monkeypatch.setattr('amsnet_basicsr.options.checks.run._count_images', lambda opt: 1000)
    problems, notes = check_options(options)
    assert (problems, notes) == ([], [])


def compared(options: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Options without their name and what is compared, given by path."""
    options = copy.deepcopy(options)
    for key in ('name', *keys):
        *groups, last = key.split('.')
        group = options
        for name in groups:
            group = group.get(name, {})
        group.pop(last, None)
    return options


@pytest.mark.parametrize(
    ('folder', 'keys'),
    [
        ('table3', ['model_type', 'network_g', 'scheme.branches', 'scheme.pad', 'train.mask_opt', 'train.pixel_opt']),
        ('table4', ['network_g']),
        ('mask_ratio', ['scheme.branches']),
        ('loss', ['train.mask_opt.type']),
    ],
)
def test_settings_differ_only_in_what_they_compare(folder, keys):
    first, *others = [compared(options, *keys) for options in settings(folder).values()]
    assert others and all(other == first for other in others)


def test_equal_passes_test_the_weights_of_each_mask_ratio_by_as_many_passes():
    trained = settings('mask_ratio')
    assert [path.stem for path in EQUAL_PASSES] == list(trained)
    for path in EQUAL_PASSES:
        options = load(path)
        assert options['scheme'] == trained[path.stem]['scheme']
        assert options['path']['pretrain_network_g'].split('/')[1] == f'{trained[path.stem]["name"]}_seed0'
        refinements = options['report']['refine']
        assert {refinement['type'] for refinement in refinements} == {'PartitionAverage'}
        passes = [refinement['samples'] * options['scheme']['branches'] for refinement in refinements]
        assert passes == ([12, 24] if path.stem == 'k4' else [6, 12, 24])


def test_strides_are_all_pairs_with_one_training_for_each_train_stride():
    found = settings('strides')
    pairs = {(o['scheme']['train_stride'], o['scheme']['test_stride']): o for o in found.values()}
    assert set(pairs) == {(trained, tested) for trained in (2, 3, 4, 5) for tested in (1, 2, 3)} and len(found) == 12
    keys = ('scheme.train_stride', 'datasets.train.crop_size', 'datasets.train.batch_size_per_gpu')
    trainings = [compared(options, *keys) for options in found.values() if 'train' in options]
    assert len(trainings) == 4 and all(other == trainings[0] for other in trainings)
    for (trained, tested), options in pairs.items():
        if tested == 2:
            data = options['datasets']['train']
            assert data['crop_size'] == 32 * trained and 48 <= data['batch_size_per_gpu'] * trained**2 <= 54
        else:
            weights = f'experiments/ablation_strides_{trained}_2/models/net_g_latest.pth'
            assert options['path']['pretrain_network_g'] == weights and 'train' not in options
            assert options['network_g'] == trainings[0]['network_g'] and options['report'] == trainings[0]['report']


def test_every_weight_of_the_smoothness_loss_starts_from_one_b():
    found = settings('lambda')
    start = found.pop('start')
    assert 'smooth_opt' not in start['train']
    weights = {name: options['train']['smooth_opt']['loss_weight'] for name, options in found.items()}
    assert weights == {'0': 0, '0.001': 0.001, '0.01': 0.01, '0.1': 0.1, '1': 1}
    first, *others = [compared(options, 'train.smooth_opt.loss_weight') for options in found.values()]
    assert all(other == first for other in others)
    assert first['path']['pretrain_network_g'] == f'experiments/{start["name"]}/models/net_g_latest.pth'


def test_rates_and_batches_see_equal_numbers_of_pixels():
    found = settings('rate')
    pixels = set()
    for options in found.values():
        batch, train = options['datasets']['train'].pop('batch_size_per_gpu'), options['train']
        pixels.add(batch * train['total_iter'])
        assert train['scheduler'].pop('periods') == [train.pop('total_iter')]
    assert len(found) == 9 and len(pixels) == 1
    first, *others = [compared(options, 'train.optim_g.lr', 'logger') for options in found.values()]
    assert all(other == first for other in others)


def test_paper_files_have_the_settings_of_the_paper():
    restormer = load(REPOSITORY / 'options' / 'train_amsnet_restormer.yml')
    assert load(FOLDER / 'table4' / 'paper' / 'restormer.yml')['network_g'] == restormer['network_g']
    for path in PAPER:
        options, model = load(path), load(path)['model_type']
        assert (options['scheme']['train_stride'], options['scheme']['test_stride']) == (5, 2)
        assert options['train']['optim_g'] == {'type': 'AdamW', 'lr': 1e-4, 'weight_decay': 0}
        assert options['train']['total_iter'] == restormer['train']['total_iter']
        data, expected = options['datasets']['train'], restormer['datasets']['train']
        assert all(data[key] == expected[key] for key in ('dataroot_lq', 'io_backend', 'crop_size'))
        assert data['batch_size_per_gpu'] == (2 if options['network_g']['type'] == 'Restormer' else 4)
        loss = {'AMSNetModel': 'mask_opt', 'APBSNModel': 'pixel_opt'}[model]
        assert set(options['train']) & {'mask_opt', 'pixel_opt'} == {loss}


@pytest.mark.parametrize('path', parameters(PAPER))
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


def run_all(run, paths: Sequence[Path], make_folder, make_lmdb, tmp_path) -> None:
    size = (48, 56)
    noisy, clean = make_folder('noisy', 2, size), make_folder('clean', 2, size, 9)
    (tmp_path / 'names.txt').write_text('im0.png\nim1.png\n')
    lmdb = make_lmdb(noisy)
    files = {}
    for path in paths:
        options = shortened(path, noisy, clean, lmdb)
        files[options['name']] = write(tmp_path / f'{options["name"]}.yml', options, plugin=True)
    assert len(files) == len(paths)
    result = run('-c', DRIVER, *files.values())
    for name, file in files.items():
        assert f'FINISHED {file}' in result.stdout
        table = (tmp_path / 'experiments' / name / 'report' / 'report.md').read_text()
        refined = table.count('R3 (samples 1') + table.count('PartitionAverage (samples 1')
        assert table.count('no refinement') == refined == table.count('Gaussian blur') >= 1


def test_small_files_run(run, make_folder, make_lmdb, tmp_path):
    """All of both tables; of the others, one of each kind, B before what starts from it."""
    others = ['strides/4_2.yml', 'mask_ratio/k6.yml', 'lambda/start.yml', 'lambda/0.1.yml', 'rate/batch4_lr0.003.yml']
    tables = [path for path in SMALL if path.parent.name.startswith('table')]
    run_all(run, [*tables, *(FOLDER / name for name in others)], make_folder, make_lmdb, tmp_path)


def test_paper_files_run(run, make_folder, make_lmdb, tmp_path):
    """One of each model; the other networks are only counted, as running them takes long without a GPU."""
    names = ['table3/paper/apbsn_da.yml', 'table4/paper/dncnn.yml']
    run_all(run, [FOLDER / name for name in names], make_folder, make_lmdb, tmp_path)
