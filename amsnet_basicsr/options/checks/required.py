"""Finding options that are read without asking whether they are there, and groups that are none."""

from collections.abc import Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.checks.findings import Finding, Key, named
from amsnet_basicsr.options.checks.known import BASICSR_SETS, BASICSR_SETS_PATHS, LOSSES

#: What to write, for those options where a number or word alone says it.
_EXAMPLES = {
    'name': 'my_training', 'model_type': 'AMSNetModel', 'num_gpu': 'auto', 'total_iter': '20000', 'val_freq': '1000',
    'save_img': 'false', 'print_freq': '100', 'save_checkpoint_freq': '1000', 'use_tb_logger': 'true',
    'batch_size_per_gpu': '4', 'num_worker_per_gpu': '2', 'io_backend': '{type: disk}', 'gt_size': '128',
    'use_hflip': 'true', 'use_rot': 'true', 'crop_size': '160', 'mask_opt': '{type: MaskL1Loss}',
}  # fmt: skip
_PAIRED_FOLDERS = ('dataroot_lq', 'dataroot_gt', 'io_backend')
_PAIRED_TRAINING = ('gt_size', 'use_hflip', 'use_rot')


def missing_in_file(raw: Mapping[str, Any], is_train: bool) -> Iterator[Finding]:
    """Find what BasicSR's own reader would stumble over or silently overwrite.

    Args:
        raw: Options as they stand in the file.
        is_train: Whether they are to train or to test.

    Yields:
        What is wrong.
    """
    for key in ('name', 'model_type', 'num_gpu', 'network_g'):
        if raw.get(key) is None:
            yield _missing((key,))
    for key in ('datasets', 'path', *(('train', 'logger') if is_train else ('val',))):
        if not isinstance(raw.get(key), Mapping):
            yield (key,), f'{key} is missing, or no group of options'
    wanted = ('train', 'val') if is_train else ('val', 'test')
    datasets = raw['datasets'] if isinstance(raw.get('datasets'), Mapping) else {}
    for phase, dataset in datasets.items():
        if not isinstance(dataset, Mapping):
            yield ('datasets', str(phase)), f'datasets.{phase} is no group of options'
        elif str(phase).split('_')[0] not in wanted:
            names = 'train, val, val_2' if is_train else 'test, test_2'
            yield ('datasets', str(phase)), f'datasets.{phase}: sets are called {names}, …'
    if not is_train and not datasets and isinstance(raw.get('datasets'), Mapping):
        yield ('datasets',), 'datasets: there is no test set'
    for key in sorted(BASICSR_SETS & set(raw)):
        yield (key,), f'{key} is set by BasicSR itself; take it out'
    path = raw['path'] if isinstance(raw.get('path'), Mapping) else {}
    for key in sorted(BASICSR_SETS_PATHS & set(path)):
        yield (
            ('path', key),
            f'path.{key}: BasicSR chooses its folders itself; path.experiments_root and path.results_root say where',
        )


def missing(opt: Mapping[str, Any]) -> Iterator[Finding]:
    """Find what a run reads without asking whether it is there.

    Args:
        opt: Options as BasicSR parsed them; groups may be missing or none.

    Yields:
        What is missing.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    datasets = _group(opt, 'datasets')
    if opt['is_train']:
        model = opt.get('model_type')
        wanted['logger'] = ('print_freq', 'save_checkpoint_freq', 'use_tb_logger')
        wanted['train'] = ('total_iter', 'optim_g', 'scheduler')
        if isinstance(model, str) and model in LOSSES:
            wanted['train'] += ({'AMSNetModel': 'mask_opt', 'APBSNModel': 'pixel_opt'}[model],)
        if opt.get('val') is not None:
            wanted['val'] = ('val_freq', 'save_img')
        if 'train' not in datasets and isinstance(opt.get('datasets'), Mapping):
            yield ('datasets', 'train'), 'datasets: there is no train set'
    else:
        wanted['val'] = ('save_img',)
    for section, keys in wanted.items():
        if section in opt and isinstance(opt[section], Mapping):
            for key in keys:
                if opt[section].get(key) is None:
                    yield _missing((section, key))
    train = _group(opt, 'train')
    by_pairs = opt['is_train'] and opt.get('model_type') == 'SRModel' and 'train' in opt
    if by_pairs and not (train.get('pixel_opt') or train.get('perceptual_opt')):
        yield ('train', 'pixel_opt'), 'train.pixel_opt is missing; SRModel learns by pixel_opt: {type: L1Loss}'
    if isinstance(opt.get('network_g'), Mapping) and opt['network_g'].get('type') is None:
        yield ('network_g', 'type'), 'network_g.type is missing: the name of the network'
    judged = [dataset.get('name') for phase, dataset in _sets(datasets) if phase != 'train']
    for phase, dataset in _sets(datasets):
        yield from _missing_in_set(phase, dataset, judged)
    kinds = [(phase, dataset.get('type')) for phase, dataset in _sets(datasets)]
    needs = next((phase for phase, kind in kinds if kind == 'PairedImageDataset'), None)
    if needs is not None and 'scale' not in opt:
        yield ('scale',), f'scale is missing: datasets.{needs} (PairedImageDataset) needs scale: 1'


def _missing_in_set(phase: str, dataset: Mapping[str, Any], judged: list[Any]) -> Iterator[Finding]:
    where = ('datasets', phase)
    if not dataset.get('name'):
        yield (*where, 'name'), f'datasets.{phase}.name is missing'
    elif phase != 'train' and judged.count(dataset['name']) > 1:
        yield (*where, 'name'), f'datasets.{phase}.name: another set is called {dataset["name"]!r} too'
    wanted: tuple[str, ...] = ()
    if phase == 'train':
        wanted += ('batch_size_per_gpu', 'num_worker_per_gpu')
    if dataset.get('type') == 'PairedImageDataset':
        wanted += _PAIRED_FOLDERS + (_PAIRED_TRAINING if phase == 'train' else ())
    if phase == 'train' and dataset.get('type') in ('NoisyImageDataset', 'CameraNoiseDataset'):
        wanted += ('crop_size',)
    for key in wanted:
        if dataset.get(key) is None:
            yield _missing((*where, key))


def _missing(key: Key) -> Finding:
    example = _EXAMPLES.get(key[-1])
    return key, f'{named(key)} is missing' + (f'; write e.g. {key[-1]}: {example}' if example else '')


def _group(opt: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return opt[key] if isinstance(opt.get(key), Mapping) else {}


def _sets(datasets: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(str(phase), dataset) for phase, dataset in datasets.items() if isinstance(dataset, Mapping)]
