"""Finding the newest intact checkpoint."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from amsnet_basicsr.utils.distributed import from_first
from amsnet_basicsr.utils.errors import UserError


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


def newest_intact(folder: Path, labels: Iterable[str]) -> tuple[Path | None, list[Path]]:
    """Find the newest state that is whole, with its weights.

    Args:
        folder: Where the states are.
        labels: Labels of the networks that belong to it.

    Returns:
        The state, or None if there is none, and the files that were torn or missing in newer ones.
    """
    labels = list(labels)
    broken: list[Path] = []
    states = [path for path in folder.glob('*.state') if path.stem.isdecimal()] if folder.is_dir() else []
    for state in sorted(states, key=lambda path: -int(path.stem)):
        bad = [path for path in (state, *networks_of(state, labels)) if not is_intact(path)]
        if not bad:
            return state, broken
        broken += bad
    return None, broken


def state_to_resume(opt: Mapping[str, Any]) -> tuple[Path | None, list[str]]:
    """Choose what to go on from.

    Args:
        opt: BasicSR's options. With `auto_resume`, the newest whole checkpoint of this experiment; else, or where it
            has none yet, what `path.resume_state` names.

    Returns:
        The state, or None to start anew, and what there is to say about it.

    Raises:
        UserError: If there are checkpoints, but none is whole; or if the one that the options name isn't.
    """
    labels = _labels(opt)
    if opt['auto_resume']:
        folder = Path(opt['path']['training_states'])
        state, broken = newest_intact(folder, labels)
        named = ', '.join(map(str, broken))
        if state is None and broken:
            raise UserError(
                f'no checkpoint in {folder} is whole (torn or missing: {named}); leave out --auto_resume to start anew'
            )
        if state is not None:
            return state, [f'{named} torn or missing: going on from {state} instead'] if broken else []
    if not opt['path'].get('resume_state'):
        return None, []
    state = Path(opt['path']['resume_state'])
    bad = [path for path in (state, *networks_of(state, labels)) if not is_intact(path)]
    if bad:
        newest = newest_intact(state.parent, labels)[0]
        hint = f'the newest whole checkpoint is {newest}' if newest else 'there is no whole checkpoint beside it'
        raise UserError(f'path.resume_state: torn or missing: {", ".join(map(str, bad))}; {hint}')
    return state, []


def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """Take the place of `basicsr.train.load_resume_state`: on any device, and wherever the experiment lies.

    BasicSR asks for a CUDA device, looks in the current folder only, takes the latest file even if it is torn, and
    looks for the weights in the experiment that the options name, not in the one that the state is of.

    Args:
        opt: BasicSR's options; told where the weights are.

    Returns:
        The state, or None to start anew.

    Raises:
        UserError: If there is nothing whole to go on from.
    """
    from basicsr.utils import check_resume

    path, error = None, None
    if opt['rank'] == 0:
        try:
            path, notes = state_to_resume(opt)
            for note in notes:
                print(f'Note: {note}', flush=True)
        except UserError as found:
            error = found
    path, error = from_first((path, error))
    if error is not None:
        raise error
    if path is None:
        return None
    opt['path']['resume_state'] = str(path)
    # Optimizers and schedulers move what they load to the device of their parameters.
    state = torch.load(path, map_location='cpu', weights_only=True)
    check_resume(opt, state['iter'])
    if state.get('manual_seed') is not None:  # one that was drawn is drawn anew at each start
        opt['manual_seed'] = state['manual_seed']
    for label, weights in zip(_labels(opt), networks_of(path, _labels(opt)), strict=True):
        opt['path'][f'pretrain_{label.replace("net_", "network_", 1)}'] = str(weights)
    for name in (
        'models',
        'training_states',
        'visualization',
        'log',
    ):  # there may be none yet, if the state is another's
        Path(opt['path'][name]).mkdir(parents=True, exist_ok=True)
    return state


def _labels(opt: Mapping[str, Any]) -> list[str]:
    """Labels of the networks that are resumed."""
    ignored = opt['path'].get('ignore_resume_networks') or ()
    return [key.replace('network_', 'net_', 1) for key in opt if key.startswith('network_') and key not in ignored]
