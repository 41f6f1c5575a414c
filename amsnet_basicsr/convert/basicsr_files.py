"""Checkpoints from outside: what is wrong with one is told in a line, and before work starts.

Since PyTorch 2.6, the oldest that this package installs with, `torch.load` takes tensors and plain values only; a
pickle that would run code is refused, not run. BasicSR's own `load_network` relies on that, and shows it as a
traceback. Here the file is looked at first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from amsnet_basicsr.convert import WeightsError, read_file
from amsnet_basicsr.convert.find_state_dict import some_keys
from amsnet_basicsr.utils.text import one_line

_CONVERT = 'convert it by scripts/convert_official_weights.py'
_STATE_KEYS = ('epoch', 'iter', 'optimizers', 'schedulers')


def weights_problem(path: str | Path, param_key: str | None = 'params') -> str | None:
    """Say what would keep BasicSR from loading a file of weights.

    Args:
        path: What `path.pretrain_network_g` names.
        param_key: What `path.param_key_g` names, which BasicSR falls back to `params` from; None takes the top level.

    Returns:
        A sentence that starts with the file's name and ends in what to do, or None.
    """
    path = Path(path).expanduser()
    try:
        data = _read(path)
    except WeightsError as error:
        return f'{path}: {error}; {_remedy(error)}'
    if path.suffix == '.safetensors':
        command = f'python scripts/convert_official_weights.py {path} -o {path.with_suffix(".pth")}'
        return f'{path}: BasicSR reads no safetensors; convert it: {command}'
    if not isinstance(data, Mapping):
        return f'{path}: it holds no named weights but a {type(data).__name__}; give weights that BasicSR saved'
    if param_key is not None:
        param_key = 'params' if param_key not in data and 'params' in data else param_key
        if param_key not in data:
            return (
                f'{path}: there is no key {param_key!r}; there are: {some_keys(data)}; set path.param_key_g (~: the '
                f'top level), or {_CONVERT}'
            )
        data = data[param_key]
    if not isinstance(data, Mapping) or not data:
        return f'{path}: there are no weights below {param_key!r}; set path.param_key_g'
    for name, value in data.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            shown = f"'{one_line(name)}'" + (f' below {param_key!r}' if param_key is not None else '')
            return (
                f'{path}: {shown} is no weight but of type {type(value).__name__}; set path.param_key_g, or {_CONVERT}'
            )
    return None


def state_problem(path: str | Path) -> str | None:
    """Say what would keep BasicSR from going on from a training state.

    Args:
        path: What `path.resume_state` names.

    Returns:
        A sentence that starts with the file's name and ends in what to do, or None.
    """
    path = Path(path).expanduser()
    try:
        data = _read(path)
    except WeightsError as error:
        return f'{path}: {error}; {_remedy(error)}'
    missing = [key for key in _STATE_KEYS if not isinstance(data, Mapping) or key not in data]
    if missing:
        return (
            f'{path}: no training state, as it has no {missing[0]!r}; resume from training_states/*.state, and name '
            'weights by path.pretrain_network_g'
        )
    return None


def _read(path: Path) -> Any:
    if path.is_dir():
        raise WeightsError('it is a folder')
    return read_file(path)[0]


def _remedy(error: WeightsError) -> str:
    if 'may run code' in str(error):
        return 'ask whoever made it for weights alone (a state_dict)'
    if 'no such file' in str(error) or 'folder' in str(error):
        return 'name a file that BasicSR saved'
    return 'copy or save it again'
