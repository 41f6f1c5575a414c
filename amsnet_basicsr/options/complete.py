"""What BasicSR makes of the options in a file before a run: phases, paths, folders, frequencies for debugging."""

import copy
import os.path as osp
from collections.abc import Mapping
from typing import Any

from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.options.reader import PLUGIN_NAME
from amsnet_basicsr.version import __version__

#: In a run whose name says "debug", as in BasicSR.
_DEBUG_VAL_FREQ = 8
_DEBUG_LOGGER = {'print_freq': 1, 'save_checkpoint_freq': 8}
_DATA_PATHS = ('dataroot_gt', 'dataroot_lq', 'meta_info_file')
#: Of a key in `path` that is no folder.
_NO_FOLDERS = ('strict_load', 'pretrain_network', 'resume', 'param_key')
#: Settings of the official networks that ours lack, with the values that describe what ours do.
_NEUTRAL = {'dual_pixel_task': False, 'blindspot': False, 'Isreal': True}


def complete_options(
    raw: Mapping[str, Any],
    root_path: str,
    is_train: bool,
    debug: bool = False,
    auto_resume: bool = False,
    distributed: bool = False,
    rank: int = 0,
    processes: int = 1,
    gpus: int = 0,
) -> dict[str, Any]:
    """Return a copy completed as `basicsr.utils.options.parse_options` does (1.4.2; the folders as in its repository).

    - `dist`, `rank`, `world_size`, `auto_resume`, `is_train` are set; `num_gpu: auto` becomes a number.
    - Every set gets its `phase` (`val_2` is of phase `val`) and the `scale` of the top level; `~` in paths is expanded.
    - `path` gets the folders. An experiment goes to `path.experiments_root` (default: `experiments` in the root), into
      a folder of its name; a test to `path.results_root` (default: `results`) likewise.
    - With `debug` the name begins with `debug_`; a name with "debug" in it has small frequencies.

    What is broken stays broken: the check that follows says what is wrong. `gpus` is what `num_gpu: auto` becomes.
    """
    opt = copy.deepcopy(dict(raw))
    opt.update(dist=distributed, rank=rank, world_size=processes, auto_resume=auto_resume, is_train=is_train)
    if opt.get('plugin') == PLUGIN_NAME:
        opt['plugin'] = __version__  # what BasicSR's reader makes of it, and logs
    if isinstance(opt.get('network_g'), dict):
        opt['network_g'] = without_neutral(opt['network_g'])
    name = opt.get('name')
    if isinstance(name, str) and debug and not name.startswith('debug'):
        name = opt['name'] = f'debug_{name}'
    if opt.get('num_gpu') == 'auto':
        opt['num_gpu'] = gpus
    for phase, dataset in _group(opt, 'datasets').items():
        if isinstance(dataset, dict):
            dataset['phase'] = phase.split('_')[0]
            if 'scale' in opt:
                dataset['scale'] = opt['scale']
            dataset.update({key: _expanded(dataset[key]) for key in _DATA_PATHS if key in dataset})
    if isinstance(opt.get('path'), dict):
        opt['path'] = _complete_path(opt['path'], root_path, name, is_train)
    if is_train and isinstance(name, str) and 'debug' in name:
        if _group(opt, 'val'):
            opt['val']['val_freq'] = _DEBUG_VAL_FREQ
        _group(opt, 'logger').update(_DEBUG_LOGGER)
    return opt


def without_neutral(network: Mapping[str, Any]) -> dict[str, Any]:
    """Drop settings of the official networks' published options that change nothing here."""
    ours = isinstance(network.get('type'), str) and network['type'] in ARCHS
    return {key: value for key, value in network.items() if not (ours and key in _NEUTRAL and value is _NEUTRAL[key])}


def _complete_path(path: Mapping[str, Any], root_path: str, name: Any, is_train: bool) -> dict[str, Any]:
    """Choose the folders; drop keys that BasicSR would turn into folders, such as empty ones."""
    root_key, default = ('experiments_root', 'experiments') if is_train else ('results_root', 'results')
    parent = path.get(root_key)
    completed = {
        key: _expanded(value) if key.startswith(('pretrain', 'resume')) else value
        for key, value in path.items()
        if key not in ('experiments_root', 'results_root')
        and (value is not None or any(word in key for word in _NO_FOLDERS))
    }
    if parent is not None and not isinstance(parent, str):
        return {**completed, root_key: parent}  # a mistake, to be told
    if not isinstance(name, str):
        return completed
    folder = osp.join(osp.expanduser(parent) if parent else osp.join(root_path, default), name)
    completed[root_key] = folder
    if is_train:
        completed.update(models=osp.join(folder, 'models'), training_states=osp.join(folder, 'training_states'))
    completed.update(log=folder, visualization=osp.join(folder, 'visualization'))
    return completed


def _expanded(path: Any) -> Any:
    return osp.expanduser(path) if isinstance(path, str) else path


def _group(opt: Mapping[str, Any], key: str) -> dict[str, Any]:
    return opt[key] if isinstance(opt.get(key), dict) else {}
