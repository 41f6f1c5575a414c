"""The comparisons in options/ablation: settings that differ only in what they compare, and run."""

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.options.checks.run import check_options
from amsnet_basicsr.options.reader import read_options
from amsnet_basicsr.options.settings import Setting, read_comparison
from tests.conftest import REPOSITORY
from tests.pipeline.options import a_thousand_images, write
from tests.pipeline.test_archs import DRIVER

FOLDER = REPOSITORY / 'options' / 'ablation'
COMPARISONS = {file.stem: read_comparison(file).settings for file in sorted(FOLDER.glob('*.yml'))}
ALL = [
    pytest.param(setting, id=f'{file}:{name}') for file in COMPARISONS for name, setting in COMPARISONS[file].items()
]
#: Digests of the complete options of each comparison: recorded runs can be compared as long as these stay.
DIGESTS = {
    'equal_passes': '7e3a56f8d7ff27a2',
    'lambda': '7889f91c135527b8',
    'loss': '0ed336de90046589',
    'mask_ratio': 'e9cf90f7548dfc14',
    'rate': '231fb4c1fab2c543',
    'strides': 'deeb8d5df66f34d3',
    'table3': '3716250e1b352e7f',
    'table3_paper': 'fd8175b5bd001faa',
    'table4': '14be7d0c93d83647',
    'table4_paper': '7c56c245c6c50934',
}
PARAMETERS = {
    'DBSNl': 3656131, 'DeamNet': 2228131, 'DnCNN': 559363, 'NAFNetBaseline': 29056227, 'Restormer': 26111668,
    'UNet': 7935555,
}  # fmt: skip


def options_of(name: str) -> dict[str, dict[str, Any]]:
    """The complete options of each setting of a comparison."""
    return {setting.name: copy.deepcopy(setting.options) for setting in COMPARISONS[name].values()}


def test_settings_are_what_recorded_runs_were_made_with():
    texts = {name: json.dumps(options_of(name), sort_keys=True) for name in COMPARISONS}
    assert {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()} == DIGESTS


@pytest.mark.parametrize('suffix', ['', '_paper'])
def test_both_tables_are_complete(suffix):
    rows = {
        table: [(o['model_type'], o['network_g']['type'], o['network_g'].get('dilated')) for o in options.values()]
        for table, options in (('table3', options_of(f'table3{suffix}')), ('table4', options_of(f'table4{suffix}')))
    }
    assert sorted(rows['table3']) == [
        (model, 'DBSNl', dilated) for model in ('AMSNetModel', 'APBSNModel') for dilated in (False, True)
    ]
    networks = ('DeamNet', 'DnCNN', 'NAFNetBaseline', 'Restormer', 'UNet')
    assert sorted(rows['table4']) == [('AMSNetModel', name, None) for name in networks]


@pytest.mark.parametrize('setting', ALL)
def test_options_pass_the_check_once_their_data_is_there(setting: Setting, monkeypatch):
    options, comparison = copy.deepcopy(setting.options), setting.file.stem
    small = comparison not in ('table3_paper', 'table4_paper', 'equal_passes')
    assert options['name'] == f'{"ablation_" * small}{comparison.removesuffix("_paper")}_{setting.name}'
    options.update(is_train=setting.trains, dist=False, rank=0, world_size=1, num_gpu=0)
    monkeypatch.setattr('amsnet_basicsr.options.checks.run.wrong_inputs', lambda opt: [])
    monkeypatch.setattr('amsnet_basicsr.options.checks.data.build_dataset', a_thousand_images)
    assert check_options(options)[:2] == ([], [])


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
    first, *others = [compared(options, *keys) for options in options_of(folder).values()]
    assert others and all(other == first for other in others)


def test_equal_passes_test_the_weights_of_each_mask_ratio_by_as_many_passes():
    trained, tested = options_of('mask_ratio'), options_of('equal_passes')
    assert list(tested) == list(trained)
    for name, options in tested.items():
        assert options['scheme'] == trained[name]['scheme']
        assert options['path']['pretrain_network_g'].split('/')[1] == f'{trained[name]["name"]}_seed0'
        refinements = options['report']['refine']
        assert {refinement['type'] for refinement in refinements} == {'PartitionAverage'}
        passes = [refinement['samples'] * options['scheme']['branches'] for refinement in refinements]
        assert passes == ([12, 24] if name == 'k4' else [6, 12, 24])


def test_strides_are_all_pairs_with_one_training_for_each_train_stride():
    found = options_of('strides')
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
    found = options_of('lambda')
    start = found.pop('start')
    assert 'smooth_opt' not in start['train']
    weights = {name: options['train']['smooth_opt']['loss_weight'] for name, options in found.items()}
    assert weights == {'0': 0, '0.001': 0.001, '0.01': 0.01, '0.1': 0.1, '1': 1}
    first, *others = [compared(options, 'train.smooth_opt.loss_weight') for options in found.values()]
    assert all(other == first for other in others)
    assert first['path']['pretrain_network_g'] == f'experiments/{start["name"]}/models/net_g_latest.pth'


def test_rates_and_batches_see_equal_numbers_of_pixels():
    found = options_of('rate')
    pixels = set()
    for options in found.values():
        batch, train = options['datasets']['train'].pop('batch_size_per_gpu'), options['train']
        pixels.add(batch * train['total_iter'])
        assert train['scheduler'].pop('periods') == [train.pop('total_iter')]
    assert len(found) == 9 and len(pixels) == 1
    first, *others = [compared(options, 'train.optim_g.lr', 'logger') for options in found.values()]
    assert all(other == first for other in others)


PAPER = [
    (setting.name, setting.options)
    for name in ('table3_paper', 'table4_paper')
    for setting in COMPARISONS[name].values()
]


def test_paper_settings_have_the_values_of_the_paper():
    restormer = read_options(str(REPOSITORY / 'options' / 'train_amsnet_restormer.yml'))
    assert options_of('table4_paper')['restormer']['network_g'] == restormer['network_g']
    for _, options in PAPER:
        assert (options['scheme']['train_stride'], options['scheme']['test_stride']) == (5, 2)
        assert options['train']['optim_g'] == {'type': 'AdamW', 'lr': 1e-4, 'weight_decay': 0}
        assert options['train']['total_iter'] == restormer['train']['total_iter']
        data, expected = options['datasets']['train'], restormer['datasets']['train']
        assert all(data[key] == expected[key] for key in ('dataroot_lq', 'io_backend', 'crop_size'))
        assert data['batch_size_per_gpu'] == (2 if options['network_g']['type'] == 'Restormer' else 4)
        loss = {'AMSNetModel': 'mask_opt', 'APBSNModel': 'pixel_opt'}[options['model_type']]
        assert set(options['train']) & {'mask_opt', 'pixel_opt'} == {loss}


@pytest.mark.parametrize(('name', 'options'), PAPER)
def test_paper_settings_have_networks_of_the_official_size(name, options):
    network = dict(options['network_g'])
    kind = network.pop('type')
    with torch.device('meta'):
        net = ARCHS[kind](**network)
    assert sum(parameter.numel() for parameter in net.parameters()) == PARAMETERS[kind]


def shortened(options: dict[str, Any], noisy: Path, clean: Path, lmdb: Path) -> dict[str, Any]:
    """The options on other data, for one step of small crops."""
    options = copy.deepcopy(options)
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


def run_all(run, wanted: Sequence[dict[str, Any]], make_folder, make_lmdb, tmp_path) -> None:
    size = (48, 56)
    noisy, clean = make_folder('noisy', 2, size), make_folder('clean', 2, size, 9)
    (tmp_path / 'names.txt').write_text('im0.png\n')
    lmdb = make_lmdb(noisy)
    files = {
        options['name']: write(tmp_path / f'{options["name"]}.yml', shortened(options, noisy, clean, lmdb), plugin=True)
        for options in wanted
    }
    assert len(files) == len(wanted)
    result = run('-c', DRIVER, *files.values())
    for name, file in files.items():
        assert f'FINISHED {file}' in result.stdout
        table = (tmp_path / 'experiments' / name / 'report' / 'report.md').read_text()
        refined = table.count('R3 (samples 1') + table.count('PartitionAverage (samples 1')
        assert table.count('no refinement') == refined == table.count('Gaussian blur') >= 1


def test_small_settings_run(run, make_folder, make_lmdb, tmp_path):
    """All of both tables; of the others, one of each kind, B before what starts from it."""
    tables = [*options_of('table3').values(), *options_of('table4').values()]
    others = [('strides', '4_2'), ('mask_ratio', 'k6'), ('lambda', 'start'), ('lambda', '0.1')]
    others.append(('rate', 'batch4_lr0.003'))
    wanted = [*tables, *(options_of(name)[setting] for name, setting in others)]
    run_all(run, wanted, make_folder, make_lmdb, tmp_path)


def test_paper_settings_run(run, make_folder, make_lmdb, tmp_path):
    """One of each model; the other networks are only counted, as running them takes long without a GPU."""
    wanted = [options_of('table3_paper')['apbsn_da'], options_of('table4_paper')['dncnn']]
    run_all(run, wanted, make_folder, make_lmdb, tmp_path)


def test_a_setting_is_checked_and_trained_by_its_name(run, make_folder, tmp_path):
    file = FOLDER / 'mask_ratio.yml'
    data = make_folder('noisy', 2, (48, 56))
    (tmp_path / 'names.txt').write_text('im0.png\nim1.png\n')
    changes = [
        'train:total_iter=1',
        'train:scheduler:periods=[1]',
        'report:refine=[none]',
        'datasets:train:crop_size=40',
    ]
    for phase in ('train', 'val', 'val_2'):
        changes += [f'datasets:{phase}:dataroot_lq={data}', f'datasets:{phase}:meta_info_file={tmp_path / "names.txt"}']
    changes += [f'datasets:{phase}:dataroot_gt={data}' for phase in ('val', 'val_2')]
    said = run('-m', 'amsnet_basicsr.check', '-opt', f'{file}:k4', '--force_yml', *changes).stdout
    assert said.startswith(f'{file}:k4 is fine')
    run('-m', 'amsnet_basicsr.train', '-opt', f'{file}:k4', '--force_yml', *changes)
    experiment = tmp_path / 'experiments' / 'ablation_mask_ratio_k4'
    assert f'-opt {file}:k4' in (experiment / 'mask_ratio.yml').read_text()
    assert 'branches: 4' in ''.join(path.read_text() for path in experiment.glob('*.log'))
