"""What is built from the repository works where the repository is not; every dependency says how old it may be."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import cv2
import pytest
from packaging.requirements import Requirement

from amsnet_basicsr.options.settings import find_options, shipped_options
from tests.conftest import REPOSITORY, noisy_image

FOLDERS = ('amsnet_basicsr', 'options')
FILES = ('CHANGELOG.md', 'LICENSE', 'MANIFEST.in', 'README.md', 'pyproject.toml', 'setup.py')


def python(*arguments: object, cwd: Path, **environment: str) -> str:
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONDONTWRITEBYTECODE': '1', **environment}
    command = [sys.executable, *map(str, arguments)]
    result = subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=280)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope='module')
def source(tmp_path_factory) -> Path:
    """The repository with what must not be packed, but nothing built before."""
    folder = tmp_path_factory.mktemp('source')
    for name in (*FOLDERS, 'basicsr', 'tests'):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in FILES:
        shutil.copy(REPOSITORY / name, folder)
    (folder / 'experiments').mkdir()
    (folder / 'experiments' / 'notes.txt').write_text('mine')
    return folder


@pytest.fixture(scope='module')
def distributions(source) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it."""
    python('-c', 'from setuptools import build_meta; build_meta.build_sdist("dist")', cwd=source)
    (sdist,) = (source / 'dist').glob('*.tar.gz')
    python('-m', 'pip', 'wheel', '-q', '--no-build-isolation', '--no-deps', '-w', 'dist', sdist, cwd=source)
    (wheel,) = (source / 'dist').glob('*.whl')
    return sdist, wheel


@pytest.fixture(scope='module')
def site(distributions, tmp_path_factory) -> Path:
    """An installation of the wheel; what it depends on is there already."""
    folder = tmp_path_factory.mktemp('site')
    python('-m', 'pip', 'install', '-q', '--no-deps', '--target', folder, distributions[1], cwd=folder)
    return folder


def files(folder: Path, *patterns: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for pattern in patterns for path in folder.rglob(pattern)}


def test_the_wheel_holds_the_package_weights_and_options_and_nothing_else(source, distributions):
    names = set(zipfile.ZipFile(distributions[1]).namelist())
    about = {name for name in names if re.match(r'amsnet_basicsr-[\d.]+\.dist-info/', name)}
    assert {name.partition('/')[2] for name in about} >= {'METADATA', 'RECORD', 'entry_points.txt', 'licenses/LICENSE'}
    code = {f'amsnet_basicsr/{name}' for name in files(source / 'amsnet_basicsr', '*.*')}
    options = {f'amsnet_basicsr/option_files/{name}' for name in files(source / 'options', '*.*')}
    assert len(code) > 100 and len(options) > 30
    assert names - about == code | options


def test_the_sdist_holds_what_the_wheel_is_built_from(source, distributions):
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
    inside = {f'{folder}/{name}' for folder in FOLDERS for name in files(source / folder, '*.*')}
    assert names >= inside | {*FILES, 'PKG-INFO'}
    tops = {name.partition('/')[0] for name in names if name}
    assert tops == {*FOLDERS, *FILES, 'PKG-INFO', 'setup.cfg', 'amsnet_basicsr.egg-info'}


def test_the_quick_start_runs_from_an_installation(site, tmp_path):
    changes = ('train:total_iter=2', 'train:scheduler:periods=[2]', 'network_g:width=4', 'report:refine=[none]',
               'datasets:train:scenes=[chelsea]', 'datasets:val:scenes=[chelsea]')  # fmt: skip
    output = python(
        *('-m', 'amsnet_basicsr.train', '-opt', 'options/quickstart.yml', '--force_yml', *changes),
        cwd=tmp_path, PYTHONPATH=str(site),
    )  # fmt: skip
    assert f'the one that comes with the package: {site}/amsnet_basicsr/option_files/quickstart.yml' in output
    assert re.search(r'\| AMSNet[^|]*\| +-?\d+\.\d\d \|', output)
    assert (tmp_path / 'experiments' / 'quickstart' / 'models' / 'net_g_latest.pth').is_file()


def test_images_are_denoised_by_an_installation_without_basicsr(site, tmp_path):
    """By its command; what the dependency group `denoise` leaves out is made impossible to import."""
    cv2.imwrite(str(tmp_path / 'noisy.png'), noisy_image(40, 48, 0))
    code = (
        'import runpy, sys\n'
        'for name in ("basicsr", "filelock", "h5py", "lmdb", "scipy", "skimage", "torchvision"):\n'
        '    sys.modules[name] = None\n'
        'sys.argv = sys.argv[1:]\n'
        'runpy.run_path(sys.argv[0], run_name="__main__")'
    )
    python('-c', code, site / 'bin' / 'amsnet-denoise', 'noisy.png', '-o', 'clean', cwd=tmp_path, PYTHONPATH=str(site))
    assert (tmp_path / 'clean' / 'noisy.png').is_file()


def test_options_of_the_users_own_come_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'quickstart.yml').write_text('mine: 1')
    assert find_options('quickstart.yml') == 'quickstart.yml'
    assert not capsys.readouterr().out
    assert Path(find_options('options/quickstart.yml')) == REPOSITORY / 'options' / 'quickstart.yml'
    assert 'options/quickstart.yml is not in this folder' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('wrong', 'near'),
    [
        ('options/quikstart.yml', 'quickstart.yml'),
        ('quickstart', 'quickstart.yml'),
        ('/nowhere/train_small.yml', 'train_amsnet_small.yml'),
        ('table4_papr.yml', 'ablation/table4_paper.yml'),
        ('options/../options/quickstart.yml', 'quickstart.yml'),
    ],
)
def test_options_that_do_not_exist_are_told_with_near_names(wrong, near, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=rf'^{re.escape(wrong)} does not exist; .*\b{re.escape(near)}\b'):
        find_options(wrong)


def test_a_name_unlike_all_others_is_told_plainly(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r'^0 does not exist$'):
        find_options('0')
    assert set(shipped_options()) == files(REPOSITORY / 'options', '*.yml')


def test_every_dependency_has_one_lower_bound():
    """`uv pip compile --resolution lowest-direct` takes it; without one, it would try versions of long ago."""
    tables = pytest.importorskip('tomllib').loads((REPOSITORY / 'pyproject.toml').read_text('utf-8'))
    lines = [*tables['build-system']['requires'], *tables['project']['dependencies']]
    lines += [line for extra in tables['project']['optional-dependencies'].values() for line in extra]
    assert set(tables['dependency-groups']['denoise']) < set(lines)
    oldest: dict[str, set[str]] = {}
    for line in lines:
        requirement = Requirement(line)
        if requirement.name != tables['project']['name']:  # an extra may be made of others
            bounds = [spec.version for spec in requirement.specifier if spec.operator in ('>=', '==', '~=')]
            assert len(bounds) == 1, line
            oldest.setdefault(requirement.name, set()).update(bounds)
    assert all(len(bounds) == 1 for bounds in oldest.values()), oldest
    assert oldest['basicsr'] == {'1.4.2'} and {'torch', 'setuptools', 'onnx', 'spandrel', 'pytest'} < set(oldest)
