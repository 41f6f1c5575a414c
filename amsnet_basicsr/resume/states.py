"""Finding the newest intact checkpoint."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from amsnet_basicsr.resume.checkpoints import checked_state
from amsnet_basicsr.resume.history import forget_later, key_of, read_history, sha256
from amsnet_basicsr.utils.distributed import from_first
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import say


def is_intact(path: Path) -> bool:
    """Tell whether a checkpoint can be read to its end.

    Args:
        path: A file that `torch.save` wrote.

    Returns:
        False if it is missing, torn, has changed bits, or holds more than tensors and plain values.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is not None:
                    return False
        torch.load(path, map_location='cpu', weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception:  # a torn file fails in many ways
        return False
    return True


def networks_of(state: Path, labels: Iterable[str]) -> list[Path]:
    """Name the weights that belong to a training state.

    Args:
        state: `EXPERIMENT/training_states/ITERATION.state`.
        labels: Labels of the networks, such as `net_g`.

    Returns:
        `EXPERIMENT/models/LABEL_ITERATION.pth` of each.
    """
    return [state.parent.parent / 'models' / f'{label}_{state.stem}.pth' for label in labels]


def broken_files(state: Path, labels: Iterable[str]) -> list[Path]:
    """Find the files of a checkpoint that are missing, torn, or not those that were saved with it.

    Args:
        state: The training state.
        labels: Labels of the networks that belong to it.
    """
    hashes = next((one.files for one in read_history(state.parent) if f'{one.iteration}.state' == state.name), {})
    broken = []
    for path in (state, *networks_of(state, labels)):
        expected = hashes.get(key_of(path))
        good = is_intact(path) if expected is None else path.is_file() and sha256(path) == expected
        if not good:
            broken.append(path)
    return broken


def newest_intact(folder: Path, labels: Iterable[str]) -> tuple[Path | None, list[Path]]:
    """Find the newest state that is intact, with its weights.

    Args:
        folder: Where the states are.
        labels: Labels of the networks that belong to it.

    Returns:
        The state, or None if there is none, and the files that were torn or missing in newer ones.
    """
    labels = list(labels)
    broken: list[Path] = []
    iterations = [one.iteration for one in read_history(folder)]
    if not iterations and folder.is_dir():  # of an earlier version
        iterations = sorted(int(path.stem) for path in folder.glob('*.state') if path.stem.isdecimal())
    for state in (folder / f'{iteration}.state' for iteration in reversed(iterations)):
        if state.exists():
            bad = broken_files(state, labels)
            if not bad:
                return state, broken
            broken += bad
    return None, broken


def state_to_resume(opt: Mapping[str, Any]) -> tuple[Path | None, list[str]]:
    """Choose what to resume from.

    Args:
        opt: BasicSR's options. With `auto_resume`, the newest intact checkpoint of this experiment; else, or where it
            has none yet, what `path.resume_state` names.

    Returns:
        The state, or None to start from scratch, and notes for the user.

    Raises:
        UserError: If there are checkpoints, but none is intact; or if the one that the options name isn't.
    """
    labels = _labels(opt)
    if opt['auto_resume']:
        folder = Path(opt['path']['training_states'])
        state, broken = newest_intact(folder, labels)
        named = ', '.join(map(str, broken))
        if state is None and broken:
            raise UserError(
                f'no checkpoint in {folder} is intact (torn, changed or missing: {named}); leave out --auto_resume '
                'to start from scratch'
            )
        weights = sorted(Path(opt['path']['models']).glob('*.pth'))
        if state is None and weights and not opt['path'].get('resume_state'):
            return None, [
                f'{folder.parent} holds weights ({weights[0].name}) but no training state: nothing to resume, so '
                'training starts from scratch and the folder is put aside'
            ]
        if state is not None:
            return state, [f'{named} torn, changed or missing: resuming from {state} instead'] if broken else []
    if not opt['path'].get('resume_state'):
        return None, []
    state = Path(opt['path']['resume_state'])
    bad = broken_files(state, labels)
    if bad:
        newest = newest_intact(state.parent, labels)[0]
        hint = f'the newest intact checkpoint is {newest}' if newest else 'there is no intact checkpoint beside it'
        raise UserError(f'path.resume_state: torn, changed or missing: {", ".join(map(str, bad))}; {hint}')
    return state, []


def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """Replace `basicsr.train.load_resume_state`: on any device, and wherever the experiment is.

    BasicSR asks for a CUDA device, looks in the current folder only, takes the latest file even if it is torn, and
    looks for the weights in the experiment that the options name, not in the one that the state is of.

    Args:
        opt: BasicSR's options; the paths of the weights are written into them.

    Returns:
        The state, or None to start from scratch.

    Raises:
        UserError: If there is nothing intact to resume from.
    """
    from basicsr.utils import check_resume

    path, error = None, None
    if opt['rank'] == 0:
        try:
            path, notes = state_to_resume(opt)
            for note in notes:
                say(f'Note: {note}')
        except UserError as found:
            error = found
    path, error = from_first((path, error))
    if error is not None:
        raise error
    if path is None:
        return None
    opt['path']['resume_state'] = str(path)
    # Optimizers and schedulers move what they load to the device of their parameters.
    state = checked_state(torch.load(path, map_location='cpu', weights_only=True), path)
    if state['iter'] > opt['train']['total_iter']:
        raise UserError(
            f'{path} is of iteration {state["iter"]}, and train.total_iter is {opt["train"]["total_iter"]}: raise it, '
            'or resume from an earlier state'
        )
    check_resume(opt, state['iter'])
    if opt['rank'] == 0 and path.parent == Path(opt['path']['training_states']):
        forget_later(path)
    if state.get('manual_seed') is not None:
        if opt['rank'] == 0 and state['manual_seed'] != opt['manual_seed'] and not opt.get('seed_is_drawn'):
            say(f'Note: the training keeps its manual_seed, {state["manual_seed"]}')
        opt['manual_seed'] = state['manual_seed']
    for label, weights in zip(_labels(opt), networks_of(path, _labels(opt)), strict=True):
        opt['path'][f'pretrain_{label.replace("net_", "network_", 1)}'] = str(weights)
    for name in ('models', 'training_states', 'visualization', 'log'):  # none yet, if the state is another's
        Path(opt['path'][name]).mkdir(parents=True, exist_ok=True)
    return state


def _labels(opt: Mapping[str, Any]) -> list[str]:
    """Labels of the networks that are resumed."""
    ignored = opt['path'].get('ignore_resume_networks') or ()
    return [key.replace('network_', 'net_', 1) for key in opt if key.startswith('network_') and key not in ignored]
