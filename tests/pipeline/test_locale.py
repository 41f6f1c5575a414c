"""A training in a locale that is not UTF-8, with names of its own alphabet in options and paths."""

import os
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.pipeline.options import train_options


def test_chinese_names_in_gbk(make_folder, tmp_path):
    if not shutil.which('localedef'):
        pytest.skip('the command localedef is not there')
    made = subprocess.run(['localedef', '-i', 'zh_CN', '-f', 'GBK', tmp_path / 'zh_CN.GBK'], check=False, timeout=100)
    if not (tmp_path / 'zh_CN.GBK').exists():
        pytest.skip(f'localedef makes no zh_CN.GBK here (exit code {made.returncode})')
    folder = os.fsencode(tmp_path / 'data') + '噪声'.encode('gbk')
    os.rename(make_folder('noisy', 2), folder)
    options = train_options(f'{tmp_path}/data噪声', name='测试')
    options['train']['total_iter'] = 2
    options['val'].update(val_freq=2, save_img=True)
    (tmp_path / 'o.yml').write_text(yaml.safe_dump(options, allow_unicode=True) + '# 注释\n', 'utf-8')
    environment = {
        **os.environ, 'LOCPATH': str(tmp_path), 'LC_ALL': 'zh_CN.GBK', 'PYTHONPATH': str(REPOSITORY),
        'OMP_NUM_THREADS': '1',
    }  # fmt: skip
    environment.pop('PYTHONUTF8', None)
    environment.pop('PYTHONIOENCODING', None)
    command = [sys.executable, '-m', 'amsnet_basicsr.train', '-opt', 'o.yml']
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=250, check=False)
    said = (result.stdout + result.stderr).decode('gbk', 'replace')
    assert result.returncode == 0 and '--- Logging error' not in said, said[-3000:]
    experiment = os.path.join(os.fsencode(tmp_path), b'experiments', '测试'.encode('gbk'))
    with open(os.path.join(experiment, b'o.yml'), encoding='utf-8') as file:
        assert file.read().endswith('# 注释\n')
    assert os.path.isfile(os.path.join(experiment, b'models', b'net_g_latest.pth'))
    names = [name for _, _, names in os.walk(experiment) for name in names]
    assert sum(name.endswith(b'.png') for name in names) == 2 * (
        2 + 1
    )  # validated at its last iteration, and at the end


def test_names_that_the_locale_lacks_are_told_before_anything_starts(make_folder, tmp_path):
    options = train_options(make_folder('noisy', 2), name='größe')
    options['datasets']['val']['dataroot_lq'] = 'dätä'
    options['path']['experiments_root'] = 'väter'
    (tmp_path / 'o.yml').write_text(yaml.safe_dump(options, allow_unicode=True), 'utf-8')
    environment = {
        **os.environ, 'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0', 'PYTHONPATH': str(REPOSITORY),
    }  # fmt: skip
    environment.pop('PYTHONIOENCODING', None)
    command = [sys.executable, '-m', 'amsnet_basicsr.check', '-opt', 'o.yml']
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=250, check=False)
    lines = result.stdout.decode('ascii').splitlines()
    lacks = 'the encoding of this locale, ascii, lacks characters of'
    end = 'set the environment variable PYTHONUTF8=1'
    assert (
        result.returncode == 1
        and result.stderr == b''
        and lines
        == [
            'o.yml has 3 problems; as options for training:',
            f"  - datasets.val.dataroot_lq: {lacks} 'd\\xe4t\\xe4'; {end}",
            f"  - name: {lacks} 'gr\\xf6\\xdfe'; {end}",
            f"  - path.experiments_root: {lacks} 'v\\xe4ter'; {end}",
        ]
    )
