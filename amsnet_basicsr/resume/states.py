"""Which checkpoints there are, and which of them is the newest intact one.

`training_states/history.json` lists what an experiment has saved, in order, the files of each checkpoint by hash. The
newest checkpoint is the last in the list, not the one of the largest iteration: resuming from an earlier one abandons
the later ones. Experiments of earlier versions have no such file.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from amsnet_basicsr.resume.checkpoints import read_state
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.distributed import in_first
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import say

_NAME = 'history.json'


def read_history(folder: Path) -> dict[str, dict[str, str]]:
    """Read what an experiment has saved from its `training_states`; empty if the list is missing or damaged.

    Returns:
        The files of each checkpoint, SHA-256 by path within the experiment, by the name of its state, `9.state`.
    """
    try:
        listed = json.loads((folder / _NAME).read_bytes())
        return {f'{int(one["iteration"])}.state': {**one['files']} for one in listed}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def add_checkpoint(state: Path, weights: Iterable[Path]) -> None:
    """Add the checkpoint that was just written; if the list cannot be written (`OSError`), it does not count."""
    history = read_history(state.parent)
    history.pop(state.name, None)  # the last is the newest
    _write(state.parent, history | {state.name: {_key(path): sha256(path) for path in (state, *sorted(weights))}})


def forget_later(state: Path) -> None:
    """Leave behind what was saved after a checkpoint, as the training resumes from that one."""
    history = read_history(state.parent)
    names = list(history)
    if state.name in names[:-1]:
        _write(state.parent, {name: history[name] for name in names[: names.index(state.name) + 1]})


def _write(folder: Path, history: Mapping[str, Mapping[str, str]]) -> None:
    listed = [{'iteration': int(Path(name).stem), 'files': files} for name, files in history.items()]
    with atomic_write(folder / _NAME, sync=True) as file:
        file.write(json.dumps(listed, indent=1).encode())


def _key(path: Path) -> str:
    """Name a file within its experiment, such as `models/net_g_9.pth`."""
    return f'{path.parent.name}/{path.name}'


def sha256(path: Path) -> str:
    """Hash a file."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def is_intact(path: Path) -> bool:
    """Tell whether a file of `torch.save` is there, neither torn nor changed, and holds tensors and plain values."""
    try:
        zipped = zipfile.is_zipfile(path)
        if zipped:
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is not None:
                    return False
        torch.load(path, map_location='cpu', weights_only=True, mmap=zipped)
    except Exception:  # a torn file fails in many ways
        return False
    return True


def networks_of(state: Path, labels: Iterable[str]) -> list[Path]:
    """Name the weights that belong to a training state: `models/LABEL_ITERATION.pth` for labels such as `net_g`."""
    return [state.parent.parent / 'models' / f'{label}_{state.stem}.pth' for label in labels]


def broken_files(state: Path, labels: Iterable[str]) -> list[Path]:
    """Find the files of a checkpoint that are missing, torn, or not those that were saved with it."""
    hashes = read_history(state.parent).get(state.name, {})

    def is_good(path: Path) -> bool:
        expected = hashes.get(_key(path))
        return is_intact(path) if expected is None else path.is_file() and sha256(path) == expected

    return [path for path in (state, *networks_of(state, labels)) if not is_good(path)]


def newest_intact(folder: Path, labels: Iterable[str]) -> tuple[Path | None, list[Path]]:
    """Find the newest state in a folder that is intact, with its weights, and what is broken of newer ones."""
    labels = list(labels)
    broken: list[Path] = []
    names = list(read_history(folder))
    if not names and folder.is_dir():  # of an earlier version
        iterations = sorted(int(path.stem) for path in folder.glob('*.state') if path.stem.isdecimal())
        names = [f'{iteration}.state' for iteration in iterations]
    for state in (folder / name for name in reversed(names)):
        if state.exists():
            bad = broken_files(state, labels)
            if not bad:
                return state, broken
            broken += bad
    return None, broken


def state_to_resume(opt: Mapping[str, Any]) -> tuple[Path | None, list[str]]:
    """Choose what to resume from: the state, or None to start from scratch; and notes for the user.

    With `auto_resume`, it is the newest intact checkpoint of this experiment; else, or where it has none yet, what
    `path.resume_state` names.

    Raises:
        UserError: If there are checkpoints, but none is intact; or if the one that the options name isn't.
    """
    labels, named = _labels(opt), opt['path'].get('resume_state')
    if opt['auto_resume']:
        folder = Path(opt['path']['training_states'])
        state, broken = newest_intact(folder, labels)
        files = ', '.join(map(str, broken))
        if state is not None:
            return state, [f'{files} torn, changed or missing: resuming from {state} instead'] if broken else []
        if broken:
            raise UserError(
                f'no checkpoint in {folder} is intact (torn, changed or missing: {files}); leave out --auto_resume '
                'to start from scratch'
            )
        weights = sorted(Path(opt['path']['models']).glob('*.pth'))
        if weights and not named:
            return None, [
                f'{folder.parent} holds weights ({weights[0].name}) but no training state: nothing to resume, so '
                'training starts from scratch and the folder is put aside'
            ]
    if not named:
        return None, []
    if bad := broken_files(Path(named), labels):
        newest = newest_intact(Path(named).parent, labels)[0]
        hint = f'the newest intact checkpoint is {newest}' if newest else 'there is no intact checkpoint beside it'
        raise UserError(f'path.resume_state: torn, changed or missing: {", ".join(map(str, bad))}; {hint}')
    return Path(named), []


def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """Replace `basicsr.train.load_resume_state`: on any device, and wherever the experiment is.

    BasicSR asks for a CUDA device, looks in the current folder only, takes the latest file even if it is torn, and
    looks for the weights in the experiment that the options name, not in the one that the state is of. Here `opt` gets
    the paths of the weights, and the seed of the state.

    Raises:
        UserError: If there is nothing intact to resume from.
    """
    from basicsr.utils import check_resume  # here, so that `fit` looks for states without it

    path, notes = in_first(lambda: state_to_resume(opt))
    if opt['rank'] == 0:
        for note in notes:
            say(f'Note: {note}')
    if path is None:
        return None
    opt['path']['resume_state'] = str(path)
    state = read_state(path)
    if state['iter'] > opt['train']['total_iter']:
        raise UserError(
            f'{path} is of iteration {state["iter"]}, and train.total_iter is {opt["train"]["total_iter"]}: raise it, '
            'or resume from an earlier state'
        )
    check_resume(opt, state['iter'])
    seed = state.get('manual_seed')
    if seed not in (None, opt['manual_seed']):
        if opt['rank'] == 0 and not opt.get('seed_is_drawn'):
            say(f'Note: the training keeps its manual_seed, {seed}')
        opt['manual_seed'] = seed
    if opt['rank'] == 0 and path.parent == Path(opt['path']['training_states']):
        forget_later(path)
    for label, weights in zip(_labels(opt), networks_of(path, _labels(opt)), strict=True):
        opt['path'][f'pretrain_{label.replace("net_", "network_", 1)}'] = str(weights)
    for name in ('models', 'training_states', 'visualization', 'log'):  # none yet, if the state is another's
        Path(opt['path'][name]).mkdir(parents=True, exist_ok=True)
    return state


def _labels(opt: Mapping[str, Any]) -> list[str]:
    """Labels of the networks that are resumed."""
    ignored = opt['path'].get('ignore_resume_networks') or ()
    return [key.replace('network_', 'net_', 1) for key in opt if key.startswith('network_') and key not in ignored]
