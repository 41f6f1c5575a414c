"""Check a file of exported weights: the tensors in it, and whether spandrel makes the same of them."""

import io
from importlib.util import find_spec

import torch
from safetensors.torch import load
from torch import Tensor

from amsnet_basicsr.denoise.export.onnx_file import TOLERANCE, AnySize, ExportError


def check_weights_file(suffix: str, content: bytes, arch: str, net: AnySize) -> tuple[list[str], list[str]]:
    """Read a file back and compare it with its network; return facts and notes, or raise an ExportError."""
    if suffix == '.safetensors':
        weights = load(content)
    else:
        weights = torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)['params']
    own = net.net.state_dict()
    if weights.keys() != own.keys() or not all(own[name].equal(value.to(own[name])) for name, value in weights.items()):
        raise ExportError('the weights that were written are not those of the network')
    return _check_in_spandrel(arch, weights, net)


def _check_in_spandrel(arch: str, weights: dict[str, Tensor], net: AnySize) -> tuple[list[str], list[str]]:
    if find_spec('spandrel') is None:
        return [], ["not tried in spandrel, which is not installed: pip install 'amsnet-basicsr[spandrel]'"]
    from spandrel import ModelLoader, UnsupportedModelError

    try:
        model = ModelLoader(device='cpu').load_from_state_dict(weights)
    except UnsupportedModelError:
        where = ' without its package spandrel_extra_arches' if arch == 'Restormer' else ''
        return [], [f'spandrel does not know {arch}{where}; the file is for BasicSR and amsnet-denoise']
    side = net.multiple * -(-32 // net.multiple)
    x = torch.rand((1, net.channels, side, 2 * side), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        difference = (model.model.eval().float()(x) - net.net(x)).abs().max().item()
    if not difference <= TOLERANCE:
        name = model.architecture.name
        return [], [
            f'not for spandrel: it takes the file for its {name}, which gives another result ({difference:.0e})'
        ]
    return [f'within {difference:.0e} of it in spandrel'], []
