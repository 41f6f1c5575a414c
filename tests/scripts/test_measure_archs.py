"""The script behind the table of docs/extend/archs.md, on networks whose figures are known."""

import importlib

import pytest
import torch
from torch import nn

from amsnet_basicsr.archs import DnCNN
from tests.conftest import REPOSITORY


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / 'scripts')
    return importlib.import_module('measure_archs')


class Pooled(nn.Module):
    """Two convolutions of 3×3 with an average of 2×2 between: fields of 3 + 2·(1 + 2·1) … counted by hand below."""

    size_multiple = 2

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return nn.functional.interpolate(self.conv(nn.functional.avg_pool2d(x, 2)), scale_factor=2)


class Attentive(nn.Module):
    size_multiple = 1

    def forward(self, x):
        return x * x.mean(dim=(2, 3), keepdim=True)


@pytest.mark.parametrize('blocks', [3, 6])
def test_receptive_field_of_a_chain_of_convolutions(script, blocks):
    assert script.receptive_field(DnCNN(nc=4, nb=blocks, act_mode='R').eval()) == 2 * blocks + 1


def test_receptive_field_across_pooling_and_of_global_attention(script):
    # A coarse pixel sees three coarse pixels, each the mean of two: six columns, for either fine pixel.
    assert script.receptive_field(Pooled().eval()) == 6
    assert script.receptive_field(Attentive()) is None


def test_multiply_adds_and_parameters(script, monkeypatch):
    monkeypatch.setitem(script.ARCHS, 'Tiny', lambda: nn.Conv2d(3, 5, 3, padding=1))
    assert script.multiply_adds_per_pixel('Tiny') == 3 * 5 * 9
    assert script.count_parameters(nn.Conv2d(3, 5, 3)) == 3 * 5 * 9 + 5


def test_table_is_written_between_the_marks_only(script, monkeypatch, tmp_path, capsys):
    tiny = type('Tiny', (nn.Conv2d,), {'size_multiple': 1})
    nets = {'UNet': lambda **_: tiny(3, 3, 3, padding=1), 'DnCNN': lambda **_: tiny(3, 3, 1)}
    monkeypatch.setattr(script, 'ARCHS', nets)
    page = tmp_path / 'archs.md'
    page.write_text(f'before\n{script.BEGIN}\nold\n{script.END}\nafter\n')
    arguments = ['measure_archs.py', '--time', '--size', '32', '--repeats', '2', '--threads', '1', '--write', str(page)]
    monkeypatch.setattr('sys.argv', arguments)
    threads = torch.get_num_threads()
    try:
        script.main()
    finally:
        torch.set_num_threads(threads)
    text = page.read_text()
    assert text.startswith(f'before\n{script.BEGIN}\n| network |') and text.endswith(f'{script.END}\nafter\n')
    assert 'old' not in text and '| `UNet` | 0.00 M | 0 k | 1 | 3 px | 1.00 |' in text
    page.write_text('no marks')
    with pytest.raises(SystemExit, match=r'archs\.md: the lines'):
        script.main()
    assert page.read_text() == 'no marks'
