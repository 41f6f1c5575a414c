"""Which of our networks a state dict belongs to. Plain PyTorch: BasicSR isn't needed."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.convert.errors import WeightsError
from amsnet_basicsr.convert.hyper_parameters import READERS
from amsnet_basicsr.convert.network_gate import within
from amsnet_basicsr.utils.text import one_line

#: How keys of a network begin, relative to it. NAFNet stands for its baseline too.
_SIGNATURES = {
    name: re.compile(pattern)
    for name, pattern in {
        'Restormer': r'(patch_embed|(encoder_level|decoder_level|reduce_chan_level)\d|latent|refinement|'
        r'(up|down)\d_\d|output)\.',
        'NAFNet': r'(intro|ending)\.(weight|bias)$|(encoders|decoders|middle_blks|ups|downs)\.\d+\.',
        'UNet': r'(enc_conv\d|up\d|dec_conv\d[ab]|nin_[abc])\.',
        'DnCNN': r'model\.\d+\.\w+$',
        'DeamNet': r'((inverse_)?transform_function|line\d\d|net2)\.',
        'DBSNl': r'(head|tail)\.\d+\.(weight|bias)$|branch[12]\.body\.\d+\.',
    }.items()
}

NOT_IN_WEIGHTS: dict[str, dict[str, Any]] = {'DBSNl': {'dilated': True}}
"""Hyper-parameters that change what a network computes but not its weights, with what is assumed."""


def find_prefix(keys: Iterable[str]) -> tuple[str, str]:
    """Find the family of networks that most keys fit, and their prefix ('' or with a final dot)."""
    keys = list(keys)
    votes = Counter(
        (family, key[: match.end()])
        for key in keys
        for match in re.finditer(r'^|\.', key)
        for family, signature in _SIGNATURES.items()
        if signature.match(key, match.end())
    )
    if not votes:
        first = f"unexpected key '{one_line(keys[0])}'" if keys else 'there are no weights'
        raise WeightsError(f'no known network: {first}; known are {", ".join(READERS)}')
    return votes.most_common(1)[0][0]


def detect_architecture(state_dict: Mapping[str, Tensor]) -> tuple[str, dict[str, Any]]:
    """Tell a network of `ARCHS` and its hyper-parameters from the names and shapes of its weights, which fit exactly.

    What doesn't show in them is left out of the result; see `NOT_IN_WEIGHTS`. A DnCNN is taken to have ReLUs. If no
    network fits, the `WeightsError` names the first missing or unexpected key.
    """
    family, prefix = find_prefix(state_dict)
    signature = _SIGNATURES[family]
    foreign = [key for key in state_dict if not signature.match(key)]
    if prefix or 2 * len(foreign) >= len(state_dict):
        first = next(iter(foreign or state_dict))
        raise WeightsError(f"no known network: unexpected key '{one_line(first)}'; known are {', '.join(READERS)}")
    if family == 'NAFNet' and any('.se.' in key for key in state_dict):
        family = 'NAFNetBaseline'
    if family not in ARCHS:
        raise WeightsError(f'these are weights of {family}, which this version does not have')
    try:
        options = {name: read(state_dict) for name, read in READERS[family].items()}
        check_weights(state_dict, family, options)
    except WeightsError as error:
        raise WeightsError(f'these look like weights of {family}, but: {error}') from None
    return family, options


def check_weights(state_dict: Mapping[str, Tensor], name: str, options: Mapping[str, Any]) -> None:
    """Compare names, shapes and kinds of weights with those of a network, without allocating it.

    The `WeightsError` names the first difference, or says what the constructor has against its arguments.
    """
    try:
        with torch.device('meta'), within(state_dict):
            expected = ARCHS[name](**options).state_dict()
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise WeightsError(str(error)) from None
    for key in expected:
        if key not in state_dict:
            raise WeightsError(f'missing key {key!r}')
    for key in state_dict:
        if key not in expected:
            raise WeightsError(f"unexpected key '{one_line(key)}'")
    for key, weight in state_dict.items():
        if weight.shape != expected[key].shape:
            shapes = f'{tuple(weight.shape)} instead of {tuple(expected[key].shape)}'
            raise WeightsError(f'{key!r} has the shape {shapes}')
        if expected[key].is_floating_point() and not weight.is_floating_point():
            raise WeightsError(f'{key!r} holds values of {weight.dtype} instead of {expected[key].dtype}')
