"""`--import`: a network of the user's own."""

import sys
from pathlib import Path

import pytest
import torch

from tests.denoise.run_command import image

PARTS = """
import torch
from basicsr.utils.registry import ARCH_REGISTRY

@ARCH_REGISTRY.register()
class Darken(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return x * self.factor
"""


@pytest.fixture
def parts(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [*sys.path])
    yield
    sys.modules.pop('denoise_parts', None)
    from basicsr.utils.registry import ARCH_REGISTRY

    ARCH_REGISTRY._obj_map.pop('Darken', None)


def test_a_network_of_ones_own_denoises(run, parts):
    Path('denoise_parts.py').write_text(PARTS, encoding='utf-8')
    Path('my.yml').write_text('network_g: {type: Darken}\n', encoding='utf-8')
    torch.save({'params': {'factor': torch.tensor(0.25)}}, 'my.pth')
    image(Path('a.png'))
    own = ('--opt', 'my.yml', '--model', 'my.pth')
    result = run('a.png', '-o', 'out', model=own)
    assert result.status == 2 and "no network is called 'Darken'" in result.err
    assert '--import PACKAGE registers your own' in result.err
    result = run('a.png', '-o', 'out', '--json', model=(*own, '--import', 'denoise_parts'))
    assert result.status == 0 and '"arch": "Darken"' in result.out


@pytest.mark.parametrize('name', ['no_such_parts', 'antigravity', 'broken', 'leaving'])
def test_what_cannot_be_imported_is_told(run, parts, name):
    Path('broken.py').write_text('1 / 0', encoding='utf-8')
    Path('leaving.py').write_text('import sys; sys.exit("needs a licence")', encoding='utf-8')
    image(Path('a.png'))
    result = run('a.png', '-o', 'out', '--import', name)
    assert result.status == 2 and result.err.count('\n') == 1 and f'import: {name} ' in result.err
    assert not Path('out').exists()
