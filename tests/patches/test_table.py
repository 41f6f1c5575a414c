"""The table of patches is complete, and BasicSR's own classes are as they were."""

import re
from importlib.util import find_spec

import torch
from torch.utils.data import DataLoader

from amsnet_basicsr import patches, plugin  # noqa: F401 (registers)
from amsnet_basicsr.patches.models.build import build_model
from amsnet_basicsr.resume.data_order import ResumableSampler, SeededDataset
from tests.conftest import REPOSITORY
from tests.pipeline.options import train_options

from basicsr.data.paired_image_dataset import PairedImageDataset  # isort: skip
from basicsr.models.sr_model import SRModel  # isort: skip
from basicsr.utils.registry import MODEL_REGISTRY  # isort: skip

FOLDER = REPOSITORY / 'amsnet_basicsr' / 'patches'


def test_every_file_is_in_the_table_and_every_row_says_all():
    files = {'.'.join(path.relative_to(FOLDER.parent).with_suffix('').parts) for path in FOLDER.rglob('*.py')}
    row = re.compile(r'^(\S+)\n    changes: .+\n(?: {13}.+\n)*    why:     .+\n(?: {13}.+\n)*    until:   .+\n', re.M)
    table = patches.__doc__ + '\n'
    listed = set(row.findall(table))
    assert {file for file in files if not file.endswith('__init__')} <= listed
    assert all(find_spec(f'amsnet_basicsr.{file}') for file in listed)
    assert (
        len(row.findall(table))
        == table.count('    changes: ')
        == len(re.findall(r'^(?:patches|models)\.', table, re.M))
    )


def test_every_patch_that_can_be_applied_is():
    with_apply = {path for path in FOLDER.rglob('*.py') if re.search(r'^def apply\(', path.read_text(), re.M)}
    assert {'.'.join(path.relative_to(FOLDER).with_suffix('').parts) for path in with_apply} == set(patches.APPLIED)


def test_the_plugin_leaves_the_classes_of_basicsr_alone(fork_server, tmp_path):
    code = (
        'import amsnet_basicsr\n'
        'import basicsr.models, basicsr.data, basicsr.archs, basicsr.losses\n'
        'from basicsr.utils.registry import MODEL_REGISTRY, DATASET_REGISTRY, ARCH_REGISTRY, LOSS_REGISTRY\n'
        'def look():\n'
        '    kinds = [kind for registry in (MODEL_REGISTRY, DATASET_REGISTRY, ARCH_REGISTRY, LOSS_REGISTRY)\n'
        '             for _, kind in registry if kind.__module__.startswith("basicsr")]\n'
        '    return {base: dict(vars(base)) for kind in kinds for base in kind.__mro__ if base is not object}\n'
        'before = look()\n'
        'from amsnet_basicsr import plugin\n'
        'after = look()\n'
        'assert len(before) > 50 and before == after\n'
    )
    done = fork_server.run('-c', code, cwd=tmp_path, bare=True)
    assert done.returncode == 0, done.stderr


def sr_options(folder) -> dict:
    options = train_options(folder, model_type='SRModel')
    options['train'].update(pixel_opt={'type': 'L1Loss'}, optim_g={'type': 'Adam', 'lr': 1e-3})
    del options['train']['mask_opt']
    options['path'] = {'models': str(folder), 'training_states': str(folder), 'visualization': str(folder)}
    return options | {'num_gpu': 0, 'is_train': True, 'dist': False}


def test_a_model_built_by_hand_is_basicsrs_and_saves_without_a_rank(tmp_path):
    model = SRModel(sr_options(tmp_path))
    model.feed_data({'lq': torch.rand(1, 3, 8, 8), 'gt': torch.rand(1, 3, 8, 8)})
    model.optimize_parameters(1)
    model.save(0, 1)
    assert {path.name for path in tmp_path.iterdir()} == {'net_g_1.pth', '1.state'}
    assert 'best' not in torch.load(tmp_path / '1.state', weights_only=True)


class EverySecond(SRModel):
    """A user's model that steps at every second iteration, and saves in its own way."""

    def optimize_parameters(self, current_iter: int) -> None:
        if current_iter % 2 == 0:
            super().optimize_parameters(current_iter)

    def save_network(self, *args, **kwargs) -> None:
        self.saved = args


def test_what_a_users_model_overrides_stays_in_force(tmp_path):
    MODEL_REGISTRY.register(EverySecond)
    try:
        model = build_model(sr_options(tmp_path) | {'model_type': 'EverySecond'})
    finally:
        MODEL_REGISTRY._obj_map.pop('EverySecond')
    model.feed_data({'lq': torch.rand(1, 3, 8, 8), 'gt': torch.rand(1, 3, 8, 8)})
    for iteration in (1, 2):  # there is no log_dict after the first
        model.optimize_parameters(iteration)
    model.save(0, 2)
    assert isinstance(model, EverySecond) and type(model).__name__ == 'EverySecond' and model.saved[1] == 'net_g'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['2.state', 'history.json']
    assert 'best' in torch.load(tmp_path / '2.state', weights_only=True)


def test_a_spawned_worker_reads_basicsrs_own_dataset(make_folder):
    folder = str(make_folder('noisy', 2))
    pairs = PairedImageDataset(
        {
            'name': 'pairs', 'dataroot_lq': folder, 'dataroot_gt': folder, 'io_backend': {'type': 'disk'}, 'scale': 1,
            'phase': 'train', 'gt_size': 32, 'use_hflip': True, 'use_rot': True,
        }
    )  # fmt: skip
    dataset = SeededDataset(pairs)
    here, spawned = (
        list(DataLoader(dataset, 2, sampler=ResumableSampler(dataset, 1, 0, seed=3), num_workers=n, **more))
        for n, more in ((0, {}), (1, {'multiprocessing_context': 'spawn'}))
    )
    assert len(here) == 1 and torch.equal(here[0]['lq'], spawned[0]['lq'])
