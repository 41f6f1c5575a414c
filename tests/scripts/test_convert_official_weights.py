"""The command: what it prints can be pasted, what it refuses takes one line."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from tests.conftest import REPOSITORY
from tests.convert.networks import apbsn_file, lightning_file, tiny

from basicsr.archs import build_network  # isort: skip


SCRIPT = REPOSITORY / 'scripts' / 'convert_official_weights.py'


@pytest.fixture
def convert(tmp_path, monkeypatch, capsys):
    """Run the command here, as importing takes longer than converting."""
    main = runpy.run_path(str(SCRIPT))['main']

    def run(*arguments: str | Path) -> subprocess.CompletedProcess:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', [SCRIPT.name, *arguments])
        status = main()
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return run


def test_the_printed_options_build_the_network_and_load_the_file(fork_server, tmp_path):
    net = tiny('Restormer')
    lightning_file(tmp_path / 'last.ckpt', net)
    result = fork_server.run(SCRIPT, 'last.ckpt', '-o', 'restormer.pth', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert 'Restormer' in result.stdout and 'from state_dict: net.dn.branches.0.*' in result.stdout
    options = yaml.safe_load(result.stdout[result.stdout.index('network_g:') :])
    assert options['path'] == {'pretrain_network_g': 'restormer.pth', 'param_key_g': 'params'}
    loaded = build_network(options['network_g'])
    weights = torch.load(tmp_path / options['path']['pretrain_network_g'], weights_only=True)
    loaded.load_state_dict(weights[options['path']['param_key_g']], strict=True)
    image = torch.rand(1, 3, 16, 16)
    assert torch.equal(loaded.eval()(image), net(image))


def test_what_weights_do_not_tell_is_said(convert, tmp_path):
    apbsn_file(tmp_path / 'a.pth', tiny('DBSNl'))
    result = convert('a.pth', '-o', 'b.safetensors')
    assert 'dilated: true is assumed' in result.stdout and 'path:' not in result.stdout
    result = convert('a.pth', '-o', 'c.safetensors', '--set', 'dilated=false')
    assert 'assumed' not in result.stdout and '\n  dilated: false\n' in result.stdout


def test_refusals_take_one_line_and_write_nothing(convert, tmp_path):
    (tmp_path / 'text.pth').write_text('Not Found\n')
    apbsn_file(tmp_path / 'a.pth', tiny('DBSNl'))
    weights = tiny('UNet').state_dict()
    del weights['nin_b.bias']
    torch.save({'params': weights}, tmp_path / 'b.pth')
    (tmp_path / 'old.pth').write_text('kept')
    for arguments, message in (
        (('text.pth', '-o', 'new.pth'), 'text.pth: it is damaged, or no file of PyTorch weights'),
        (('b.pth', '-o', 'new.pth'), "b.pth: these look like weights of UNet, but: missing key 'nin_b.bias'"),
        (('a.pth', '-o', 'old.pth'), 'old.pth: it exists already; --overwrite replaces it'),
        (('a.pth', '-o', 'new.bin'), 'new.bin: the name must end in .pth or .safetensors'),
        (('a.pth', '-o', 'new.pth', '--set', 'dilated'), '--set dilated: NAME=VALUE expected'),
        (('a.pth', '-o', 'new.pth', '--set', 'dilated=['), 'the value is no YAML'),
    ):
        result = convert(*arguments)
        assert result.returncode == 1 and message in result.stderr
        assert result.stdout == '' and result.stderr.count('\n') == 1
    assert (tmp_path / 'old.pth').read_text() == 'kept'
    assert not list(tmp_path.glob('new.*'))
    assert convert('a.pth', '-o', 'old.pth', '--overwrite').returncode == 0
