"""Hyper-parameters from the names and shapes of the weights: a table for each architecture.

Readers need not notice every damaged file, as the network is compared with the weights key by key afterwards. But
they name a key that they need and do not find.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from amsnet_basicsr.convert.errors import WeightsError
from amsnet_basicsr.utils.text import one_line

StateDict = Mapping[str, Tensor]
Reader = Callable[[StateDict], Any]

_DBSN_MODULE = re.compile(r'branch\d\.body\.\d+\.body\.')
_LEVELS = ('encoder_level1', 'encoder_level2', 'encoder_level3', 'latent')
"""The scales of Restormer, finest first."""


def _shape(weights: StateDict, key: str, dimensions: int | None = 4) -> tuple[int, ...]:
    """Return the shape of a weight that must exist with this number of dimensions."""
    if key not in weights:
        raise WeightsError(f'missing key {key!r}')
    shape = tuple(weights[key].shape)
    if 0 in shape or not shape or dimensions not in (None, len(shape)):
        raise WeightsError(f'{key!r} has the shape {shape}, which no such network has')
    return shape


def _count(weights: StateDict, prefix: str) -> int:
    """Count the modules `prefix.0`, `prefix.1`, … by the highest number."""
    pattern = re.compile(re.escape(prefix) + r'\.(\d+)\.')
    highest = -1
    for key in weights:
        if match := pattern.match(key):
            # A network has at least as many weights as modules (activations of DnCNN have none, hence the factor).
            if len(match[1]) > 6 or int(match[1]) > 3 * len(weights):
                raise WeightsError(f"unexpected key '{one_line(key)}'")
            highest = max(highest, int(match[1]))
    return highest + 1


def _has(weights: StateDict, ending: str) -> bool:
    return any(key.endswith(ending) for key in weights)


def _size(key: str, axis: int = 0) -> Reader:
    """Read the size of a convolution's weight along an axis: 0 is its outputs, 1 its inputs."""
    return lambda weights: _shape(weights, key)[axis]


def _restormer_factor(weights: StateDict) -> float:
    """Find the factor f with the fewest decimals for which int(width · f) is the hidden size at all scales."""
    widths = [_shape(weights, 'patch_embed.proj.weight')[0] * 2**scale for scale in range(4)]
    hidden = [_shape(weights, f'{level}.0.ffn.project_out.weight')[1] for level in _LEVELS]
    lowest = max(size / width for width, size in zip(widths, hidden, strict=True))
    for decimals in range(8):
        factor = math.ceil(lowest * 10**decimals - 1e-9) / 10**decimals
        if [int(width * factor) for width in widths] == hidden:
            return factor
    raise WeightsError(f'no feed-forward factor yields the hidden sizes {hidden} at the widths {widths}')


def _nafnet_blocks(coder: str) -> Reader:
    """Count the blocks of an encoder or decoder at each scale."""

    def read(weights: StateDict) -> list[int]:
        _shape(weights, 'downs.0.weight')  # without scales, any truncated file would pass as a network
        scales = max(_count(weights, 'encoders'), _count(weights, 'downs'))
        return [_count(weights, f'{coder}.{scale}') for scale in range(scales)]

    return read


def _nafnet_expansion(conv: str) -> Reader:
    """Read by how much a convolution of the blocks widens the features."""

    def read(weights: StateDict) -> int:
        first = next((key for key in weights if key.endswith('.conv1.weight')), 'middle_blks.0.conv1.weight')
        outputs, inputs = _shape(weights, first.replace('.conv1.', f'.{conv}.'))[:2]
        return outputs // inputs

    return read


def _dncnn_chain(weights: StateDict) -> tuple[int, int]:
    """Read the number of convolutions and the channels of the output; how the layers are numbered tells."""
    last = _count(weights, 'model') - 1
    # Convolution and ReLU take two numbers; with batch normalisation, inner ones take three.
    layers = 2 + (last - 2) // 3 if _has(weights, '.running_mean') else 1 + last // 2
    inputs, outputs = _shape(weights, 'model.0.weight')[1], _shape(weights, f'model.{last}.weight', None)[0]
    # Else the chain ends before its last convolution, which will be reported as missing.
    return (layers, outputs) if outputs in (1, inputs) else (layers + 1, inputs)


_NAFNET: dict[str, Reader] = {
    'img_channel': _size('intro.weight', 1),
    'width': _size('intro.weight'),
    'middle_blk_num': lambda weights: _count(weights, 'middle_blks'),
    'enc_blk_nums': _nafnet_blocks('encoders'),
    'dec_blk_nums': _nafnet_blocks('decoders'),
}
READERS: dict[str, dict[str, Reader]] = {
    'Restormer': {
        'inp_channels': _size('patch_embed.proj.weight', 1),
        'out_channels': _size('output.weight'),
        'dim': _size('patch_embed.proj.weight'),
        'num_blocks': lambda weights: [_count(weights, level) for level in _LEVELS],
        'num_refinement_blocks': lambda weights: _count(weights, 'refinement'),
        'heads': lambda weights: [_shape(weights, f'{level}.0.attn.temperature', 3)[0] for level in _LEVELS],
        'ffn_expansion_factor': _restormer_factor,
        'bias': lambda weights: _has(weights, '.attn.qkv.bias'),
        'LayerNorm_type': lambda weights: 'WithBias' if _has(weights, '.norm1.body.bias') else 'BiasFree',
    },
    'NAFNet': _NAFNET,
    'NAFNetBaseline': {**_NAFNET, 'dw_expand': _nafnet_expansion('conv1'), 'ffn_expand': _nafnet_expansion('conv4')},
    'UNet': {
        'in_nc': _size('enc_conv0.weight', 1),
        'out_nc': _size('nin_c.weight'),
        'n_feature': _size('enc_conv0.weight'),
    },
    'DnCNN': {
        'in_nc': _size('model.0.weight', 1),
        'out_nc': lambda weights: _dncnn_chain(weights)[1],
        'nc': _size('model.0.weight'),
        'nb': lambda weights: _dncnn_chain(weights)[0],
        'act_mode': lambda weights: 'BR' if _has(weights, '.running_mean') else 'R',
    },
    'DeamNet': {'in_channels': _size('transform_function.ext.conv2d.weight', 1)},
    'DBSNl': {  # the weights do not show whether its convolutions are dilated
        'in_ch': _size('head.0.weight', 1),
        'out_ch': _size('tail.6.weight'),
        'base_ch': _size('head.0.weight'),
        'num_module': lambda weights: len({key.split('.')[2] for key in weights if _DBSN_MODULE.match(key)}),
    },
}
"""How to read each hyper-parameter, by architecture."""
