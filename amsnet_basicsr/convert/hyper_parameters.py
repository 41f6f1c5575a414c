"""Hyper-parameters from the names and shapes of the weights: one reader per architecture.

A reader need not notice every damaged file: the network it leads to is compared with the weights key by key
afterwards. But it names what it needs and doesn't find.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from amsnet_basicsr.convert.errors import WeightsError
from amsnet_basicsr.utils.text import one_line

StateDict = Mapping[str, Tensor]


def read_restormer(weights: StateDict) -> dict[str, Any]:
    """Read a Restormer; the feed-forward factor is the shortest decimal that yields the hidden sizes of all scales."""
    dim, inputs = _shape(weights, 'patch_embed.proj.weight', 4)[:2]
    levels = ('encoder_level1', 'encoder_level2', 'encoder_level3', 'latent')
    widths = [dim * 2**scale for scale in range(4)]
    hidden = [_shape(weights, f'{level}.0.ffn.project_out.weight', 4)[1] for level in levels]
    return {
        'inp_channels': inputs,
        'out_channels': _shape(weights, 'output.weight', 4)[0],
        'dim': dim,
        'num_blocks': [_count(weights, level) for level in levels],
        'num_refinement_blocks': _count(weights, 'refinement'),
        'heads': [_shape(weights, f'{level}.0.attn.temperature', 3)[0] for level in levels],
        'ffn_expansion_factor': _shortest_factor(widths, hidden),
        'bias': any(key.endswith('.attn.qkv.bias') for key in weights),
        'LayerNorm_type': 'WithBias' if any(key.endswith('.norm1.body.bias') for key in weights) else 'BiasFree',
    }


def read_nafnet(weights: StateDict) -> dict[str, Any]:
    """Read a NAFNet."""
    width, channels = _shape(weights, 'intro.weight', 4)[:2]
    _shape(weights, 'downs.0.weight', 4)  # without scales, any truncated file would pass as a network
    scales = max(_count(weights, 'encoders'), _count(weights, 'downs'))
    return {
        'img_channel': channels,
        'width': width,
        'middle_blk_num': _count(weights, 'middle_blks'),
        'enc_blk_nums': [_count(weights, f'encoders.{scale}') for scale in range(scales)],
        'dec_blk_nums': [_count(weights, f'decoders.{scale}') for scale in range(scales)],
    }


def read_nafnet_baseline(weights: StateDict) -> dict[str, Any]:
    """Read the baseline of NAFNet, whose blocks have an expansion of their own."""
    options = read_nafnet(weights)
    suffix = '.conv1.weight'
    block = next((key.removesuffix(suffix) for key in weights if key.endswith(suffix)), 'middle_blks.0')
    for option, conv in (('dw_expand', 'conv1'), ('ffn_expand', 'conv4')):
        outputs, inputs = _shape(weights, f'{block}.{conv}.weight', 4)[:2]
        options[option] = outputs // inputs
    return options


def read_unet(weights: StateDict) -> dict[str, Any]:
    """Read a UNet."""
    features, inputs = _shape(weights, 'enc_conv0.weight', 4)[:2]
    return {'in_nc': inputs, 'out_nc': _shape(weights, 'nin_c.weight', 4)[0], 'n_feature': features}


def read_dncnn(weights: StateDict) -> dict[str, Any]:
    """Read a DnCNN; how the layers are numbered tells how many there are."""
    features, inputs = _shape(weights, 'model.0.weight', 4)[:2]
    normalised = any(key.endswith('.running_mean') for key in weights)
    last = _count(weights, 'model') - 1
    # Convolution and ReLU take two numbers; with batch normalisation, inner ones take three.
    layers = 2 + (last - 2) // 3 if normalised else 1 + last // 2
    outputs = _shape(weights, f'model.{last}.weight', None)[0]
    if outputs not in (1, inputs):  # the chain ends before its last convolution, which will be reported as missing
        layers, outputs = layers + 1, inputs
    return {
        'in_nc': inputs,
        'out_nc': outputs,
        'nc': features,
        'nb': layers,
        'act_mode': 'BR' if normalised else 'R',
    }


def read_dbsnl(weights: StateDict) -> dict[str, Any]:
    """Read a DBSNl; the weights do not show whether its convolutions are dilated."""
    features, inputs = _shape(weights, 'head.0.weight', 4)[:2]
    modules = {match[1] for key in weights if (match := re.match(r'branch\d\.body\.(\d+)\.body\.', key))}
    return {
        'in_ch': inputs,
        'out_ch': _shape(weights, 'tail.6.weight', 4)[0],
        'base_ch': features,
        'num_module': len(modules),
    }


def read_deamnet(weights: StateDict) -> dict[str, Any]:
    """Read a DeamNet, which comes in one size."""
    return {'in_channels': _shape(weights, 'transform_function.ext.conv2d.weight', 4)[1]}


READERS: dict[str, Callable[[StateDict], dict[str, Any]]] = {
    'Restormer': read_restormer,
    'NAFNet': read_nafnet,
    'NAFNetBaseline': read_nafnet_baseline,
    'UNet': read_unet,
    'DnCNN': read_dncnn,
    'DeamNet': read_deamnet,
    'DBSNl': read_dbsnl,
}
"""The readers by architecture."""


def _shape(weights: StateDict, key: str, dimensions: int | None) -> tuple[int, ...]:
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


def _shortest_factor(widths: list[int], hidden: list[int]) -> float:
    """Find the factor f with the fewest decimals for which int(width · f) is the hidden size, for all widths."""
    lowest = max(size / width for width, size in zip(widths, hidden, strict=True))
    for decimals in range(8):
        factor = math.ceil(lowest * 10**decimals - 1e-9) / 10**decimals
        if [int(width * factor) for width in widths] == hidden:
            return factor
    raise WeightsError(f'no feed-forward factor yields the hidden sizes {hidden} at the widths {widths}')
