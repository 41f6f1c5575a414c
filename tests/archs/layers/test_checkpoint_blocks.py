"""Recomputed features give the same result, gradients and names."""

import pytest
import torch
from torch import nn

from amsnet_basicsr.archs import DnCNN
from amsnet_basicsr.archs.layers.checkpoint_blocks import checkpoint_blocks
from tests.models.test_amp import gradients, network

BLOCKS = {'Restormer': 8, 'NAFNet': 5, 'NAFNetBaseline': 5}


@pytest.mark.parametrize('name', BLOCKS)
def test_checkpointing_keeps_result_gradients_and_names(name):
    plain, saving, x = network(name), network(name), torch.rand(1, 3, 16, 16)
    runs = []
    assert checkpoint_blocks(saving) >= BLOCKS[name]
    assert list(saving.state_dict()) == list(plain.state_dict())
    saving.get_submodule(
        'encoder_level1.0.attn' if name == 'Restormer' else 'encoders.0.0.conv1'
    ).register_forward_hook(lambda *_: runs.append(1))
    results = [net(x) for net in (plain, saving)]
    assert torch.equal(*results)
    for first, second in zip(
        *(gradients(net, y.mean()) for net, y in zip((plain, saving), results, strict=True)), strict=True
    ):
        torch.testing.assert_close(first, second)
    assert len(runs) == 2  # once more in the backward pass
    with torch.no_grad():
        saving(x)
    assert len(runs) == 3


def test_networks_that_cannot_be_checkpointed_are_refused():
    with pytest.raises(ValueError, match='no blocks in DnCNN'):
        checkpoint_blocks(DnCNN(nc=4, nb=3))
    with pytest.raises(ValueError, match='BatchNorm'):
        checkpoint_blocks(nn.Sequential(BatchNormBlock()))


class BatchNormBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


class Doubled(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.inner = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.inner.weight, factor)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


def test_a_replica_of_a_block_runs_its_own_parameters():
    """As DataParallel makes it for another GPU."""
    net = nn.Sequential(Doubled(2))
    checkpoint_blocks(net)
    replica = net[0]._replicate_for_data_parallel()
    replica._modules = {'inner': Doubled(3).inner}
    one = torch.ones(1, 1, requires_grad=True)
    assert replica(one).item() == 3 and net(one).item() == 2
    assert type(net[0]).__name__ == 'Doubled' and isinstance(net[0], Doubled)
