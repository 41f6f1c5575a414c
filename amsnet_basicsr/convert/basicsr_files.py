"""What is wrong with a checkpoint that BasicSR is to load: told in a line, before work starts.

`torch.load` takes tensors and plain values only and refuses a pickle that would run code, which BasicSR shows as a
traceback. Here the file is looked at first.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from amsnet_basicsr.convert import WeightsError, read_file
from amsnet_basicsr.convert.find_state_dict import some_keys
from amsnet_basicsr.utils.text import one_line

_CONVERT = 'convert it by scripts/convert_official_weights.py'
_STATE_KEYS = ('epoch', 'iter', 'optimizers', 'schedulers')


def weights_problem(path: str | Path, param_key: str | None = 'params') -> str | None:
    """Say what would keep BasicSR from loading the weights that `path.pretrain_network_g` names, and what to do.

    `param_key` is `path.param_key_g`, which BasicSR falls back to `params` from; None takes the top level.
    """
    return _problem(Path(path).expanduser(), lambda file, data: _wrong_weights(file, data, param_key))


def state_problem(path: str | Path) -> str | None:
    """Say what would keep BasicSR from resuming from the state that `path.resume_state` names, and what to do."""
    return _problem(Path(path).expanduser(), _wrong_state)


def _problem(path: Path, wrong: Callable[[Path, Any], str | None]) -> str | None:
    try:
        if path.is_dir():
            raise WeightsError('it is a folder')
        problem = wrong(path, read_file(path)[0])
    except WeightsError as error:
        problem = f'{error}; {_remedy(str(error))}'
    return problem and f'{path}: {problem}'


def _wrong_weights(path: Path, data: Any, param_key: str | None) -> str | None:
    if path.suffix == '.safetensors':
        command = f'python scripts/convert_official_weights.py {path} -o {path.with_suffix(".pth")}'
        return f'BasicSR reads no safetensors; convert it: {command}'
    if not isinstance(data, Mapping):
        return f'it holds no named weights but a {type(data).__name__}; give weights that BasicSR saved'
    below = ''
    if param_key is not None:
        param_key = 'params' if param_key not in data and 'params' in data else param_key
        if param_key not in data:
            return (
                f'there is no key {param_key!r}; there are: {some_keys(data)}; set path.param_key_g (~: the top '
                f'level), or {_CONVERT}'
            )
        data, below = data[param_key], f' below {param_key!r}'
    if not isinstance(data, Mapping) or not data:
        return f'there are no weights{below}; set path.param_key_g'
    for name, value in data.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            kind = type(value).__name__
            return f"'{one_line(name)}'{below} is no weight but of type {kind}; set path.param_key_g, or {_CONVERT}"
    return None


def _wrong_state(path: Path, data: Any) -> str | None:
    missing = [key for key in _STATE_KEYS if not isinstance(data, Mapping) or key not in data]
    if not missing:
        return None
    return (
        f'no training state, as it has no {missing[0]!r}; resume from training_states/*.state, and name weights by '
        'path.pretrain_network_g'
    )


def _remedy(error: str) -> str:
    if 'may run code' in error:
        return 'ask whoever made it for weights alone (a state_dict)'
    if 'no such file' in error or 'folder' in error:
        return 'name a file that BasicSR saved'
    return 'copy or save it again'
