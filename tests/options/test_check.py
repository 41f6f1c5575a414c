"""`python -m amsnet_basicsr.check`: what it says, what it returns, and that it leaves no trace."""

import inspect
import json
import shutil
from pathlib import Path

import pytest
import yaml

from amsnet_basicsr.check import main
from amsnet_basicsr.options.reader import read_options
from amsnet_basicsr.options.settings import read_comparison, read_setting, split_setting
from tests.conftest import REPOSITORY
from tests.pipeline.options import some_weights, test_options, train_options, write

FILES = sorted((REPOSITORY / 'options').rglob('*.yml'))
COMPARISONS = sorted((REPOSITORY / 'options' / 'ablation').glob('*.yml'))
#: All complete options that ship, as `-opt` takes them.
NAMES = [str(path) for path in FILES if path not in COMPARISONS]
NAMES += [f'{path}:{setting}' for path in COMPARISONS for setting in read_comparison(path).settings]


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob('*')}


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Check in a folder of one's own, which must stay as it was; returns exit status and what was said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str]:
        before = tree(tmp_path)
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        assert tree(tmp_path) == before
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def test_a_fine_file_and_its_summary(check, make_folder, tmp_path):
    options = train_options(make_folder('noisy'))
    assert check('-opt', write(tmp_path / 'o.yml', options)) == (
        0,
        f'{tmp_path}/o.yml is fine, as options for training\n'
        'Images: noisy (train) 4, held-out (val) 4\n'
        'Run:    AMSNetModel with DnCNN of 1,643 parameters, 6 iterations in batches of 2\n',
    )
    status, said = check('-opt', tmp_path / 'o.yml', '--force_yml', 'train:total_iter=999', 'val=~')
    assert status == 1 and 'periods: they end after 6 of 999 iterations' in said
    status, said = check('-opt', tmp_path / 'o.yml', '--test')
    assert status == 1 and 'as options for testing' in said and 'datasets.train: sets are called test' in said
    some_weights(tmp_path / 'w.pth')
    write(tmp_path / 'test.yml', test_options(tmp_path / 'noisy', tmp_path / 'w.pth'), plugin=True)
    status, said = check('-opt', 'test.yml')
    assert status == 0 and said.startswith('test.yml is fine, as options for testing\nImages: held-out (test) 4\n')
    status, said = check('-opt', 'test.yml', '--train')
    assert status == 1 and 'train is missing' in said and 'logger is missing' in said


def test_every_dataset_and_the_network_are_built_once(check, make_folder, tmp_path, monkeypatch):
    from amsnet_basicsr.archs import DnCNN
    from amsnet_basicsr.data import NoisyImageDataset

    built = []
    for kind in (DnCNN, NoisyImageDataset):

        def count(self, *args, init=kind.__init__, **kwargs):
            built.append(type(self).__name__)
            init(self, *args, **kwargs)

        count.__signature__ = inspect.signature(kind.__init__)
        monkeypatch.setattr(kind, '__init__', count)
    assert check('-opt', write(tmp_path / 'o.yml', train_options(make_folder('noisy'))))[0] == 0
    assert sorted(built) == ['DnCNN', 'NoisyImageDataset', 'NoisyImageDataset']


def test_notes_are_told(check, make_folder, tmp_path):
    options = train_options(make_folder('noisy', 2))
    options['datasets']['train'].update(batch_size_per_gpu=64, dataset_enlarge_ratio=1)
    status, said = check('-opt', write(tmp_path / 'o.yml', options))
    assert status == 0 and 'Note: datasets.train.dataset_enlarge_ratio raised from 1 to ' in said


def test_everything_wrong_is_told_at_once(check, make_folder, tmp_path):
    options = train_options(make_folder('noisy'))
    options['nmae'] = options.pop('name')
    options['num_gpu'] = 'all'
    options['logger'] = 5
    options['scheme'] = {'branches': 1, 'train_stride': 7, 'sede': 1}
    options['network_g'] = {'type': 'DnCNN', 'nc': '8', 'nb': 4, 'nbs': True}
    options['datasets']['train'].update(batch_size_per_gpu=2.5, num_worker_per_gpu=-1, use_rot='yes', crops_size=1)
    options['datasets']['val']['dataroot_lq'] = 'nowhere'
    options['train'].update(ema_decay=1.5, optim_g={'type': 'AdamW', 'lr': '1e-4', 'betas': [0.9]}, amp='fp8')
    options['train']['mask_opt']['loss_weight'] = 'much'
    options['val'].update(val_freq=0, metrics={'psnr': {'type': 'calculate_psnr', 'crop_border': -1}}, pbar=3)
    options['path'] = {'weights': 'x'}
    status, said = check('-opt', write(tmp_path / 'o.yml', options))
    expected = [
        'name is missing; write e.g. name: my_training',
        'logger must be a group of options, got 5',
        "num_gpu must be auto, or a whole number of at least 0 and at most 1024, got 'all'",
        'train.ema_decay must be a number of at least 0 and below 1, got 1.5',
        'train.optim_g.lr: 1e-4 is text to YAML; write !!float 1e-4',
        'train.optim_g.betas must be a list of 2, each a number of at least 0 and below 1, got [0.9]',
        "train.amp must be true or false or bf16 or fp16, got 'fp8'",
        'val.val_freq must be a number of iterations, got 0',
        'val.pbar must be true or false, got 3',
        'datasets.train.num_worker_per_gpu must be a whole number of at least 0 and at most 1024, got -1',
        'datasets.train.batch_size_per_gpu must be a whole number of at least 1 and at most 1000000, got 2.5',
        "datasets.train.use_rot must be true or false, got 'yes'",
        'val.metrics.psnr.crop_border must be a whole number of at least 0, got -1',
        "the options file has no option 'nmae'; did you mean 'name'?",
        "datasets.train has no option 'crops_size'; did you mean 'crop_size'?",
        f'datasets.val.dataroot_lq: there is no nowhere (as seen from {tmp_path}, where the command was given)',
        "scheme has no option 'sede'; did you mean 'seed'?",
        'scheme.branches must be a whole number of at least 2 and at most 255, got 1',
        'datasets.train.crop_size: 40 is not divisible by scheme.train_stride 7; 35 is',
        "network_g has no option 'nbs'; did you mean 'nb'?",
        "network_g.nc must be a whole number, got '8'",
        "train.mask_opt.loss_weight must be a number, got 'much'",
    ]
    lines = said.splitlines()
    assert status == 1 and [line for line in expected if f'  - {line}' not in lines] == []
    assert "path has no option 'weights'; known: " in said
    assert lines[0] == f'{tmp_path}/o.yml has {len(lines) - 1} problems; as options for training:'
    assert len(lines) - 1 == len(expected) + 1


def test_files_that_come_with_the_package_are_found(check):
    status, said = check('-opt', 'options/quickstart.yml')
    assert status == 0 and 'taking the one that comes with the package' in said and ' is fine, as ' in said
    status, said = check('-opt', 'options/quickstrat.yml')
    assert status == 1 and said.startswith('options/quickstrat.yml does not exist; the package comes with quickstart')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: [1', 'bad.yml, line 1: '),
        ('a: !!python/object/apply:os.system ["touch ran"]', 'bad.yml, line 1: !!python/object/apply:os.system is'),
        ('name: x\nname: y', "bad.yml, line 2: 'name' is there a second time"),
        ('', 'bad.yml holds no options'),
    ],
)
def test_files_that_cannot_be_read(check, tmp_path, text, message):
    (tmp_path / 'bad.yml').write_text(text)
    status, said = check('-opt', 'bad.yml')
    assert status == 1 and said.startswith(message) and len(said.splitlines()) == 1 and 'started' not in said


def make_data(dataset: dict, root: Path, images: Path, lmdb: Path) -> None:
    """Put small data where an options file expects it."""
    for key in ('dataroot_lq', 'dataroot_gt'):
        if dataset.get(key) and not (root / dataset[key]).exists():
            shutil.copytree(lmdb if dataset[key].endswith('.lmdb') else images, root / dataset[key])
    if dataset.get('meta_info_file'):
        listing = root / dataset['meta_info_file']
        listing.parent.mkdir(parents=True, exist_ok=True)
        listing.write_text('im0.png\nim1.png\n')
    if dataset.get('dataroot'):
        for kind in ('real', 'mean'):
            path = root / dataset['dataroot'] / f'a_{kind}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(images / 'im0.png', path)


def test_every_file_that_ships_is_fine_once_its_data_is_there(check, make_folder, make_lmdb, tmp_path):
    options = {name: read_setting(*split_setting(name)) for name in NAMES}
    for name in NAMES:
        status, said = check('-opt', name)
        assert status == 0 or all('there is no ' in line for line in said.splitlines()[1:]), said
    images = make_folder('images', 2, (170, 176))
    lmdb = make_lmdb(images)
    for name in NAMES:
        for dataset in options[name]['datasets'].values():
            make_data(dataset, tmp_path, images, lmdb)
        weights = options[name]['path'].get('pretrain_network_g')
        if weights:
            (tmp_path / weights).parent.mkdir(parents=True, exist_ok=True)
            some_weights(tmp_path / weights)
    for name in NAMES:
        status, said = check('-opt', name)
        lines = said.splitlines()
        assert status == 0 and lines[0].startswith(f'{name} is fine'), said
        # There are but two images.
        assert all('dataset_enlarge_ratio raised' in line for line in lines if line.startswith('Note')), said


def test_the_values_of_the_file_are_those_of_json():
    """No option file that ships holds anything but plain values, and every one is read alike by the plain loader."""
    for path in FILES:
        text = path.read_text().replace('!!python/name:amsnet_basicsr.__version__', 'amsnet_basicsr.__version__')
        assert json.loads(json.dumps(yaml.safe_load(text))) == read_options(str(path))
