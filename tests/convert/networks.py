"""Small networks of every kind, and files in the layouts of the official repositories."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from amsnet_basicsr.archs import ARCHS
from tests.archs.weights_from_names import fill_by_name

ALL_TINY: list[tuple[str, dict[str, Any]]] = [
    ('Restormer', {
        'inp_channels': 3, 'out_channels': 3, 'dim': 8, 'num_blocks': [1, 2, 1, 1], 'num_refinement_blocks': 2,
        'heads': [1, 2, 2, 4], 'ffn_expansion_factor': 2.66, 'bias': False, 'LayerNorm_type': 'BiasFree',
    }),
    ('Restormer', {
        'inp_channels': 1, 'out_channels': 1, 'dim': 6, 'num_blocks': [2, 1, 1, 2], 'num_refinement_blocks': 1,
        'heads': [1, 1, 2, 4], 'ffn_expansion_factor': 2.0, 'bias': True, 'LayerNorm_type': 'WithBias',
    }),
    ('NAFNet', {'img_channel': 3, 'width': 4, 'middle_blk_num': 2, 'enc_blk_nums': [1, 2], 'dec_blk_nums': [2, 1]}),
    ('NAFNet', {'img_channel': 3, 'width': 4, 'middle_blk_num': 0, 'enc_blk_nums': [0, 1], 'dec_blk_nums': [0, 0]}),
    ('NAFNetBaseline', {
        'img_channel': 3, 'width': 4, 'middle_blk_num': 1, 'enc_blk_nums': [1, 1], 'dec_blk_nums': [1, 1],
        'dw_expand': 2, 'ffn_expand': 3,
    }),
    ('UNet', {'in_nc': 3, 'out_nc': 3, 'n_feature': 4}),
    ('DnCNN', {'in_nc': 3, 'out_nc': 3, 'nc': 8, 'nb': 5, 'act_mode': 'BR'}),
    ('DnCNN', {'in_nc': 3, 'out_nc': 3, 'nc': 8, 'nb': 6, 'act_mode': 'R'}),
    ('DeamNet', {'in_channels': 3}),
    ('DBSNl', {'in_ch': 3, 'out_ch': 3, 'base_ch': 8, 'num_module': 2}),
]  # fmt: skip

#: The first of each kind.
TINY = {name: options for name, options in reversed(ALL_TINY)}


def tiny(name: str) -> nn.Module:
    """Build a small network with weights and statistics that differ from its initial ones."""
    return fill_by_name(ARCHS[name](**TINY[name]))


def prefixed(net: nn.Module, prefix: str) -> 'OrderedDict[str, torch.Tensor]':
    """Return the weights of a network under other names."""
    return OrderedDict((prefix + key, value) for key, value in net.state_dict().items())


def lightning_file(path: Path, net: nn.Module, branches: int = 1) -> Path:
    """Write a checkpoint as the official AMSNet's trainer does."""
    weights: OrderedDict[str, torch.Tensor] = OrderedDict()
    for branch in range(branches):
        weights.update(prefixed(net, f'net.dn.branches.{branch}.'))
    optimizer = torch.optim.AdamW(net.parameters())
    torch.save(
        {
            'epoch': 3, 'global_step': 120, 'pytorch-lightning_version': '2.0.0', 'state_dict': weights, 'loops': {},
            'callbacks': {'ModelCheckpoint': {'best_model_score': torch.tensor(36.5), 'best_model_path': 'a.ckpt'}},
            'optimizer_states': [optimizer.state_dict()], 'lr_schedulers': [], 'hyper_parameters': {'lr': 1e-4},
        },
        path,
    )  # fmt: skip
    return path


def apbsn_file(path: Path, net: nn.Module, prefix: str = 'bsn.') -> Path:
    """Write a checkpoint as AP-BSN's trainer does."""
    optimizer = torch.optim.Adam(net.parameters())
    torch.save(
        {
            'epoch': 20,
            'model_weight': {'denoiser': prefixed(net, prefix)},
            'optimizer_weight': {'denoiser': optimizer.state_dict()},
        },
        path,
    )
    return path
