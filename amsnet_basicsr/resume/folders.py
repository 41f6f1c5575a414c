"""Folders of experiments and results: an older run of the same name is put aside, and nothing else ever is."""

import time
from itertools import chain, count
from pathlib import Path
from typing import Any

from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import say

_OURS = {'models', 'training_states', 'visualization', 'report'}
_NO_FOLDERS = ('strict_load', 'pretrain_network', 'resume', 'param_key')


def make_folders(opt: dict[str, Any]) -> None:
    """Replace BasicSR's `make_exp_dirs`, which renames any folder that is in the way; see `put_aside`."""
    put_aside(opt['path']['experiments_root' if opt['is_train'] else 'results_root'])
    for key, path in opt['path'].items():
        if isinstance(path, str) and not any(part in key for part in _NO_FOLDERS):
            Path(path).mkdir(parents=True, exist_ok=True)


def put_aside(folder: str | Path) -> None:
    """Make a folder for a new run; that of an older run is renamed, and curves of TensorBoard too.

    Raises:
        UserError: If the folder in the way is no run.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not _is_run(folder):
            raise UserError(
                f'{folder} is not what a run of this name left, so it is not moved away; give the run another name, or '
                'move the folder yourself'
            )
        stem = f'{folder}_archived_{time.strftime("%Y%m%d_%H%M%S")}'
        names = chain([stem], (f'{stem}_{number}' for number in count(2)))
        target = next(Path(name) for name in names if not Path(name).exists())
        say(f'Path already exists. Rename it to {target}')
        folder.rename(target)
    folder.mkdir(parents=True, exist_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of runs that were killed; to be called while no other run writes there."""
    for leftover in folder.rglob('.amsnet-*.tmp'):
        leftover.unlink(missing_ok=True)


def _is_run(folder: Path) -> bool:
    """Tell whether a folder is what training, testing or TensorBoard made."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    return (
        {'models', 'training_states'} <= names
        or 'report.md' in names
        or any(name.startswith('events.out.tfevents') for name in names)
        or all(name in _OURS or name.endswith(('.log', '.yml', '.tmp')) for name in names)
    )
