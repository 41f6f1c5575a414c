"""What a pass is measured to hold against what is known of small networks, and the budget against limits."""

import psutil
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
    narrow, wide = (memory.bytes_per_pixel(NAFNet(width=n).eval(), 16) for n in (4, 16))
    assert 3 < wide / narrow < 5
    assert memory.bytes_per_pixel(DnCNN(nc=16, nb=4, act_mode='R').eval()) < 4 * (3 + 4 * 16)


def test_budget_is_part_of_what_is_free_and_heeds_a_container(tmp_path, monkeypatch):
    device = torch.device('cpu')
    monkeypatch.setattr(memory, '_CGROUP', tmp_path)  # no limit there
    free = memory.memory_budget(device)
    assert 0 < free <= 512 * 2**20
    (tmp_path / 'memory.max').write_text('100000000\n')
    (tmp_path / 'memory.current').write_text('60000000\n')
    (tmp_path / 'memory.stat').write_text('anon 50000000\ninactive_file 0\n')
    assert memory.memory_budget(device) == min(free, 20000000)
    (tmp_path / 'memory.stat').write_text('anon 50000000\ninactive_file 10000000\n')  # read from disk, can be dropped
    assert memory.memory_budget(device) == min(free, 25000000)
    (tmp_path / 'memory.max').write_text('max\n')
    assert abs(memory.memory_budget(device) - free) < 2**28


def test_limits_of_old_containers_and_of_ulimit_count(tmp_path, monkeypatch):
    device = torch.device('cpu')
    monkeypatch.setattr(memory, '_CGROUP', tmp_path)
    folder = tmp_path / 'memory'
    folder.mkdir()
    (folder / 'memory.limit_in_bytes').write_text('100000000\n')
    (folder / 'memory.usage_in_bytes').write_text('70000000\n')
    (folder / 'memory.stat').write_text('cache 1\ntotal_inactive_file 10000000\n')
    assert memory.memory_budget(device) == 20000000
    (folder / 'memory.limit_in_bytes').write_text('9223372036854771712\n')  # what v1 says where there is none
    monkeypatch.setattr(memory.resource, 'getrlimit', lambda _: (psutil.Process().memory_info().vms + 2**24, 0))
    assert memory.memory_budget(device) <= 2**24
