"""Where the weights of the denoiser are in a file, and under what prefix.

| file | nesting | prefix |
|---|---|---|
| ours and BasicSR's | `params_ema` or `params` | |
| official Restormer, NAFNet | `params`, or none | |
| official AMSNet (Lightning) | `state_dict` | `net.dn.branches.0.` |
| AP-BSN | `model_weight`, `denoiser` | `bsn.`, `module.bsn.` |

None of this is fixed to one file: any nesting with one way to go and any prefix is followed.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from amsnet_basicsr.convert.detect import find_prefix
from amsnet_basicsr.convert.errors import WeightsError
from amsnet_basicsr.utils.text import one_line

#: Branches share one network, and an official file may list it for each of them.
_MOST_COPIES = 8
#: Names that hold the weights when there is more than one way to go, best first.
_WRAPPERS = ('params_ema', 'params', 'state_dict', 'model_weight')


def find_tensors(data: Any, key: str | None = None) -> tuple[dict[str, Tensor], list[str]]:
    """Follow the nesting of a file down to named tensors; return these and the keys that lead to them.

    `key` is the top-level key to take; None chooses. Anything else between the tensors is a `WeightsError`.
    """
    path: list[str] = []
    while True:
        if not isinstance(data, Mapping):
            raise WeightsError(f'it holds a {type(data).__name__}, not named weights')
        if not path and key is not None:
            if key not in data:
                raise WeightsError(f'there is no key {key!r}; there are: {some_keys(data)}')
            step = key
        elif any(isinstance(value, Tensor) for value in data.values()):
            break
        else:
            step = _way(data)
        data = data[step]
        path.append(one_line(step))
        if len(path) > 8:  # a file may even contain itself
            raise WeightsError(f'no weights found below {".".join(path)}')
    for name, value in data.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(f"unexpected key '{one_line(name)}': a {type(value).__name__}, not a tensor")
        if problem := _problem(value):
            raise WeightsError(f"'{one_line(name)}' {problem}")
    storages = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in data.values()}
    claimed = sum(value.numel() * value.element_size() for value in data.values())
    held = sum(storages.values())
    if claimed > _MOST_COPIES * held:
        raise WeightsError(f'its tensors share their values: {claimed / 1e6:.0f} MB made of {held / 1e6:.0f} MB')
    return dict(data), path


def _problem(value: Tensor) -> str | None:
    """Say why a tensor is none that PyTorch saves for a network, if so."""
    if value.layout != torch.strided or value.is_quantized or value.is_complex():
        kind = 'quantized' if value.is_quantized else 'complex' if value.is_complex() else 'sparse'
        return f'is a {kind} tensor, which no known network has'
    if value.device.type == 'meta':
        return 'has a shape but no values'
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        # A few bytes may claim any number of values, all the same one; a network of that size would be built.
        return f'has the shape {tuple(value.shape)}, but the file holds fewer values'
    return None


def _way(data: Mapping[Any, Any]) -> Any:
    for wrapper in _WRAPPERS:
        if isinstance(data.get(wrapper), Mapping):
            return wrapper
    inner = [name for name, value in data.items() if isinstance(value, Mapping)]
    if len(inner) != 1:
        raise WeightsError(f'no weights found below its keys: {some_keys(data)}')
    return inner[0]


def some_keys(data: Mapping[Any, Any]) -> str:
    """List the first keys of a mapping, for a message."""
    names = [one_line(name) for name in islice(data, 6)]
    return ', '.join(names[:5]) + (', …' if len(names) > 5 else '') or 'none'


def take_denoiser(tensors: Mapping[str, Tensor], prefix: str | None = None) -> tuple[dict[str, Tensor], str]:
    """Take the weights of the denoiser out of those of a larger module; return them and their prefix.

    With a `prefix`, everything else is dropped; None finds it and drops copies alone.

    Branches of AMSNet share one denoiser and may each list it (`branches.1.`, …): equal copies are left out. The first
    key beside the denoiser is a `WeightsError`.
    """
    start = find_prefix(tensors)[1] if prefix is None else prefix
    weights = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
    if not weights:
        raise WeightsError(f"no key begins with {start!r}; the first is '{one_line(next(iter(tensors), None))}'")
    for name, value in tensors.items() if prefix is None else ():
        if not name.startswith(start) and not _is_copy(name, value, weights):
            hint = f'; --prefix {one_line(start)} takes the denoiser alone' if start else ''
            raise WeightsError(f"unexpected key '{one_line(name)}' beside the denoiser, {one_line(start)}*{hint}")
    return weights, start


def _is_copy(name: str, value: Tensor, weights: Mapping[str, Tensor]) -> bool:
    parts = name.split('.')
    ends = ('.'.join(parts[start:]) for start in range(1, len(parts)))
    originals = (weights[end] for end in ends if end in weights)
    return any(value.dtype == original.dtype and torch.equal(value, original) for original in originals)
