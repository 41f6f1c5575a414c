"""What a pass is measured to hold against what is known of small networks, and the budget against limits."""

import psutil
import pytest
import torch
from torch import nn

from amsnet_basicsr.archs import DnCNN, NAFNet
from amsnet_basicsr.denoise import memory


def test_a_chain_holds_two_layers_at_once():
    net = nn.Sequential(nn.Conv2d(3, 10, 1), nn.Conv2d(10, 20, 1), nn.Conv2d(20, 3, 1)).eval()
    per_pixel = memory.bytes_per_pixel(net)
    # Input, 10 and 20 channels of float32 live while the second layer runs; the input stays with the caller.
    assert 4 * (10 + 20) <= per_pixel <= 4 * (3 + 10 + 20 + 3)


def test_skip_connections_count_and_wider_networks_take_more():
    narrow, wide = (memory.bytes_per_pixel(NAFNet(width=n).eval(), multiple=16) for n in (4, 16))
    assert 3 < wide / narrow < 5
    assert memory.bytes_per_pixel(DnCNN(nc=16, nb=4, act_mode='R').eval()) < 4 * (3 + 4 * 16)


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """Folders of control groups that set no limit yet; the process is in `/job/step` of each kind."""
    monkeypatch.setattr(memory, '_CGROUPS', tmp_path)
    (tmp_path / 'own').write_text('4:cpu,memory:/job/step\n1:name=systemd:/\n0::/job/step\n')
    monkeypatch.setattr(memory, '_OWN_CGROUPS', tmp_path / 'own')
    return tmp_path


CPU = torch.device('cpu')


@pytest.mark.parametrize('group', ['', 'job', 'job/step'])
def test_budget_is_a_quarter_of_what_is_free_and_heeds_every_control_group_above(cgroups, group):
    free = memory.memory_budget(CPU)
    assert 0 < free <= 512 * 2**20
    folder = cgroups / group
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'memory.max').write_text('100000000\n')
    (folder / 'memory.current').write_text('60000000\n')
    (folder / 'memory.stat').write_text('anon 50000000\ninactive_file 0\n')
    assert memory.memory_budget(CPU) == min(free, 40000000 // 4)
    (folder / 'memory.stat').write_text('anon 50000000\ninactive_file 10000000\n')  # read from disk, can be dropped
    assert memory.memory_budget(CPU) == min(free, 50000000 // 4)
    (folder / 'memory.max').write_text('max\n')
    assert abs(memory.memory_budget(CPU) - free) < 2**28


@pytest.mark.parametrize('group', ['memory', 'memory/job', 'memory/job/step'])
def test_limits_of_old_control_groups_count(cgroups, group):
    folder = cgroups / group
    folder.mkdir(parents=True)
    (folder / 'memory.limit_in_bytes').write_text('100000000\n')
    (folder / 'memory.usage_in_bytes').write_text('70000000\n')
    (folder / 'memory.stat').write_text('cache 1\ntotal_inactive_file 10000000\n')
    assert memory.memory_budget(CPU) == 40000000 // 4
    (folder / 'memory.limit_in_bytes').write_text('9223372036854771712\n')  # what v1 says where there is none
    assert memory.memory_budget(CPU) > 40000000 // 4


def test_the_limit_of_ulimit_counts(cgroups, monkeypatch):
    monkeypatch.setattr(psutil.Process, 'rlimit', lambda self, _: (self.memory_info().vms + 2**24, 0))
    assert memory.memory_budget(CPU) <= 2**24 // 4


def test_systems_without_control_groups_have_a_budget(cgroups):
    (cgroups / 'own').unlink()
    assert memory.memory_budget(CPU) > 0
