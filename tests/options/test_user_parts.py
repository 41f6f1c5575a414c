"""Parts of one's own: imported by name before the options are checked."""

import pytest

from amsnet_basicsr.check import main
from tests.pipeline.options import train_options, write

ARCH = """
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

@ARCH_REGISTRY.register()
class {name}(nn.Conv2d):
    def __init__(self, width=3):
        super().__init__(3, width, 3, padding=1)
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str]:
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def test_a_package_of_the_current_folder(check, make_folder, tmp_path):
    options = train_options(make_folder('noisy'), network_g={'type': 'FirstOwnArch'})
    path = write(tmp_path / 'o.yml', options)
    (tmp_path / 'first_own_part.py').write_text(ARCH.format(name='FirstOwnArch'))
    assert "there is no network 'FirstOwnArch'" in check('-opt', path)[1]
    status, said = check('-opt', path, '--import', 'first_own_part')
    assert status == 0, said
    (tmp_path / 'second_own_part.py').write_text(ARCH.format(name='SecondOwnArch'))
    options.update({'network_g': {'type': 'SecondOwnArch'}, 'import': ['second_own_part']})
    status, said = check('-opt', write(tmp_path / 'o.yml', options))
    assert status == 0, said


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (['no_such_part'], 'import: no_such_part cannot be imported (ModuleNotFoundError: No module named'),
        (['antigravity'], 'import: antigravity is a module of Python itself'),
        (['../parts'], 'import must be a list of names of packages'),
        ('parts', 'import must be a list of names of packages'),
        (5, 'import must be a list of names of packages'),
    ],
)
def test_wrong_names_are_told(check, make_folder, tmp_path, names, message):
    options = train_options(make_folder('noisy'), **{'import': names})
    status, said = check('-opt', write(tmp_path / 'o.yml', options))
    assert status == 1 and message in said


def test_memcached_is_for_the_command_line_alone(check, make_folder, tmp_path):
    options = train_options(make_folder('noisy'))
    options['datasets']['train']['io_backend'] = {'type': 'memcached', 'sys_path': str(tmp_path), 'client_cfg': 'x'}
    status, said = check('-opt', write(tmp_path / 'o.yml', options))
    assert status == 1 and 'which a file may not ask for; write disk here and --force_yml datasets:train:io' in said


@pytest.mark.parametrize('model', ['AMSNetModel', 'MyOwnModel'])
def test_groups_that_are_handed_on_have_no_unknown_keys(check, make_folder, tmp_path, model):
    options = train_options(make_folder('noisy'), model_type=model)
    options['dist_params'] = {'backend': 'gloo', 'init_method': 'tcp://host:1', 'world_size': 2, 'rank': 1}
    options['datasets']['train']['io_backend'] = {'type': 'disk', 'db_path': 'x'}
    options['path']['my_folder'] = '/tmp/x'
    options['logger']['wandbs'] = {}
    status, said = check('-opt', write(tmp_path / 'o.yml', options))
    assert status == 1
    for key in ('dist_params', 'datasets.train.io_backend', 'path', 'logger'):
        assert f'  - {key} has no option ' in said
