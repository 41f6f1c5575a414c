"""A result that is no number is an error that names the image, never a black one, whatever way it is made."""

import os
import runpy
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import REPOSITORY
from tests.denoise.run_command import image, tiny_net


@pytest.fixture
def huge(tmp_path) -> Path:
    """Finite weights whose products overflow."""
    net = tiny_net()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            weight.fill_(0 if name.endswith('bias') else 1e20)
    torch.save({'params': net.state_dict()}, tmp_path / 'huge.pth')
    return tmp_path / 'huge.pth'


@pytest.mark.parametrize(
    'way',
    [
        ['--scheme', 'plain'],
        ['--scheme', 'plain', '--tile', '128'],
        ['--scheme', 'amsnet'],
        ['--scheme', 'amsnet', '--tile', '128'],
        ['--scheme', 'amsnet', '--refine'],
        ['--scheme', 'plain', '--strength', '0.5'],
        ['--scheme', 'plain', '--compare', '--gallery', 'g.html', '--ext', 'tif'],
    ],
    ids=' '.join,
)
def test_nothing_is_written(run, huge, way):
    image(Path('light.png'), 150, 140)
    result = run('light.png', '-o', 'out', model=('--model', str(huge), *way))
    assert result.status == 1 and result.err.count('\n') == 1
    assert result.err.startswith('amsnet-denoise: light.png: the network gives NaN or infinite values')
    assert not Path('g.html').exists() and not (Path('out').is_dir() and os.listdir('out'))


def test_nor_by_the_script_for_training_sets(huge, tmp_path, monkeypatch):
    image(tmp_path / 'noisy' / 'light.png')
    script = REPOSITORY / 'scripts' / 'denoise_training_set.py'
    monkeypatch.setattr(
        sys, 'argv', [script.name, str(tmp_path / 'noisy'), '-o', str(tmp_path / 'out'), '--model', str(huge)]
    )
    monkeypatch.syspath_prepend(script.parent)  # as Python itself does for a script
    with pytest.raises(SystemExit, match='the network gives NaN or infinite values'):
        runpy.run_path(str(script))['main']()
    assert not os.listdir(tmp_path / 'out')
