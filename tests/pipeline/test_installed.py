"""What an installation must offer beside the training itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.pipeline.options import a_thousand_images


def test_importing_the_package_is_quick_and_leaves_basicsr_alone(run):
    code = (
        'import sys, amsnet_basicsr; assert "torch" not in sys.modules\n'
        'import amsnet_basicsr.scheme, amsnet_basicsr.archs\n'
        'assert not {"basicsr", "cv2", "torchvision"} & sys.modules.keys()\n'
        'version = amsnet_basicsr.__version__\n'
        'from basicsr.utils.registry import MODEL_REGISTRY\n'
        'assert "AMSNetModel" in MODEL_REGISTRY\n'
        'print(version)'
    )
    assert re.match(r'\d+\.\d+\.\d+', run('-c', code, fresh=True).stdout)


def test_plugin_can_be_imported_in_any_order(run):
    run('-c', 'import amsnet_basicsr.models, amsnet_basicsr.plugin, amsnet_basicsr.data', bare=True)
    run('-c', 'import amsnet_basicsr.losses, amsnet_basicsr.metrics; from amsnet_basicsr import plugin', bare=True)


def test_tensorboard_command_works(tmp_path):
    command = Path(sys.executable).with_name('tensorboard')
    if not command.exists():
        pytest.fail('the command tensorboard is not installed beside Python')
    result = subprocess.run(
        [command, '--inspect', '--logdir', tmp_path], text=True, capture_output=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr


def test_quick_start_in_short(run, tmp_path):
    options = (REPOSITORY / 'options' / 'quickstart.yml').read_text()
    for long, short in (
        (r'total_iter: \d+', 'total_iter: 4'),
        (r'periods: \[\d+\]', 'periods: [4]'),
        (r'val_freq: \d+', 'val_freq: 100'),
        (r'print_freq: \d+', 'print_freq: 1'),
        (r'    type: CameraNoiseDataset\n', '    type: CameraNoiseDataset\n    scenes: [chelsea]\n'),
        (r'samples: 8', 'samples: 2'),
    ):
        options, count = re.subn(long, short, options)
        assert count, long
    (tmp_path / 'quickstart.yml').write_text(options)  # the closing words know it by its name
    result = run('-m', 'amsnet_basicsr.train', '-opt', 'quickstart.yml')
    for row in ('noisy input', 'Gaussian blur, best sigma', 'no refinement', 'PartitionAverage', 'R3'):
        assert re.search(rf'\| [^|]*{row}[^|]*\| +-?\d+\.\d\d \| -?\d\.\d{{4}} \|', result.stdout), row
    assert re.search(r'Images +experiments/quickstart/report', result.stdout)
    assert 'options/train_amsnet_small.yml' in result.stdout
    assert (tmp_path / 'experiments' / 'quickstart' / 'report' / 'phone-photos' / 'chelsea.png').is_file()
    table = (tmp_path / 'experiments' / 'quickstart' / 'report' / 'report.md').read_text()
    assert table.strip() in result.stdout


@pytest.mark.parametrize(
    'name',  # files with a `base:` are for our launchers: tests/options/test_check.py has them too
    sorted(path.name for path in (REPOSITORY / 'options').glob('*.yml') if '\nbase:' not in path.read_text('utf-8')),
)
def test_options_files_pass_the_check_once_their_data_is_there(name, tmp_path, monkeypatch):
    """Every path they name is made, so that only other problems would be left."""
    import yaml

    from amsnet_basicsr import plugin
    from amsnet_basicsr.options.blocks import SchemeOptions
    from amsnet_basicsr.options.checks.run import check_options
    from amsnet_basicsr.options.user_parts import import_parts

    text = (REPOSITORY / 'options' / name).read_text()
    assert text.count('plugin: !!python/name:amsnet_basicsr.__version__') == 1
    options = yaml.safe_load(text.replace('!!python/name:amsnet_basicsr.__version__', plugin.__version__))
    monkeypatch.chdir(tmp_path)
    options.update(is_train='train' in options, dist=False, rank=0, world_size=1, num_gpu=0)
    monkeypatch.setattr('amsnet_basicsr.options.checks.run.wrong_inputs', lambda opt: [])
    monkeypatch.setattr('amsnet_basicsr.options.checks.data.build_dataset', a_thousand_images)
    monkeypatch.syspath_prepend(REPOSITORY)
    assert import_parts(options.get('import')) == []
    assert check_options(options)[:2] == ([], [])
    SchemeOptions.read(options.get('scheme'), 'scheme')


def test_options_of_the_paper():
    import yaml

    def load(name: str) -> dict:
        return yaml.safe_load((REPOSITORY / 'options' / name).read_text().replace('!!python/name:', ''))

    train, tune, test = (load(f'{kind}_amsnet_restormer.yml') for kind in ('train', 'finetune', 'test'))
    assert train['scheme'] == {'train_stride': 5, 'test_stride': 2, 'branches': 2, 'seed': 0, 'refine': None}
    assert train['train']['optim_g'] == {'type': 'AdamW', 'lr': 1e-4, 'weight_decay': 0, 'betas': [0.9, 0.999]}
    assert train['datasets']['train']['crop_size'] == 160
    assert tune['train']['optim_g']['lr'] == 1e-5 and tune['train']['total_iter'] == 25000
    assert tune['train']['smooth_opt'] == {'type': 'SmoothnessLoss', 'loss_weight': 0.01}
    assert test['scheme']['refine'] == {'type': 'R3', 'samples': 8, 'prob': 0.16}
    assert train['network_g'] == tune['network_g'] == test['network_g']
    # The options of fine-tuning differ from those of training in what fine-tuning is, and nowhere else.
    batches = [opt['datasets']['train'].pop('batch_size_per_gpu') for opt in (train, tune)]
    assert batches == [8, 2]  # the first official release, and the official fine-tuning
    assert train['datasets'] == tune['datasets'] and train['val'] == tune['val']


def test_small_options_run_on_a_folder_of_images(run, make_folder, tmp_path):
    options = (REPOSITORY / 'options' / 'train_amsnet_small.yml').read_text()
    noisy, held_out = make_folder('noisy', 3, (170, 200)), make_folder('held_out', 1)
    options = options.replace('datasets/my_photos/noisy', str(noisy)).replace(
        'datasets/my_photos/held_out', str(held_out)
    )
    for long, short in (('6000', '2'), ('val_freq: 1000', 'val_freq: 2'), ('print_freq: 100', 'print_freq: 1')):
        assert long in options
        options = options.replace(long, short)
    (tmp_path / 'small.yml').write_text(options)
    result = run('-m', 'amsnet_basicsr.train', '-opt', 'small.yml')
    assert 'Saved net_g_best.pth: mask_l1' in result.stdout + result.stderr
