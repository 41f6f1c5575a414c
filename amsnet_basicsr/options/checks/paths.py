"""Whether data and weights exist, and results can be written without archiving them."""

import os
import os.path as osp
from collections.abc import Iterator, Mapping
from typing import Any

from amsnet_basicsr.options.blocks.file import MODELS
from amsnet_basicsr.options.blocks.messages import Finding, Key, wrong

_DATA = ('dataroot', 'dataroot_lq', 'dataroot_gt', 'dataroots', 'meta_info_file')


def wrong_inputs(opt: Mapping[str, Any]) -> Iterator[Finding]:
    """Find data and weights that are missing, and weights that cannot be read."""
    for where, path in _data_paths(opt):
        if not osp.exists(osp.expanduser(path)):
            yield wrong(f'there is no {path}{_from_where(path)}', *where)
    if not opt['is_train'] and opt.get('model_type') in MODELS and not opt['path'].get('pretrain_network_g'):
        said = 'path.pretrain_network_g is missing: without weights, the figures would be those of a random network'
        yield Finding(('path', 'pretrain_network_g'), said)
    for key in ('pretrain_network_g', 'resume_state'):
        path = opt['path'].get(key)
        if path and not osp.isfile(osp.expanduser(path)):
            yield wrong(f'there is no file {path}{_from_where(path)}', 'path', key)
        elif path and (problem := _file_problem(key, path, opt['path'].get('param_key_g', 'params'))):
            yield wrong(problem, 'path', key)


def _data_paths(opt: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """Yield every path of a dataset, with its key."""
    for phase, dataset in opt['datasets'].items():
        for key in _DATA:
            value = dataset.get(key)
            for path in value if isinstance(value, list) else [value]:
                if path and isinstance(path, str):
                    yield ('datasets', phase, key), path


def _file_problem(key: str, path: str, param_key: str | None) -> str | None:
    from amsnet_basicsr.convert.basicsr_files import state_problem, weights_problem  # most trainings need none of it

    return state_problem(path) if key == 'resume_state' else weights_problem(path, param_key)


def _from_where(path: str) -> str:
    return '' if path.startswith(('/', '~')) else f' (as seen from {os.getcwd()}, where the command was given)'


def wrong_outputs(opt: Mapping[str, Any]) -> Iterator[Finding]:
    """Find results that cannot be written, or inputs in the folder of an old run, which is renamed."""
    key = 'experiments_root' if opt['is_train'] else 'results_root'
    paths = opt['path']
    if not paths.get(key) or not opt.get('name'):
        return
    folder = osp.realpath(paths[key])
    parent = folder
    while not osp.exists(parent):
        parent = osp.dirname(parent)
    if not (osp.isdir(parent) and os.access(parent, os.W_OK)):
        yield wrong(f'{parent} is no folder that can be written to; name another', 'path', key)
    states = paths.get('training_states')
    resumes = opt.get('auto_resume') and states and osp.isdir(states) and os.listdir(states)
    if resumes or paths.get('resume_state') or not osp.isdir(folder):
        return
    weights = paths.get('pretrain_network_g')
    for where, path in [*([(('path', 'pretrain_network_g'), weights)] if weights else []), *_data_paths(opt)]:
        if f'{osp.realpath(osp.expanduser(path))}{os.sep}'.startswith(f'{folder}{os.sep}'):
            said = f'{path} lies in {paths[key]}, which is renamed when this run begins; give the run another name'
            yield wrong(said, *where)
