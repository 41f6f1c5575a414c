"""Checkpoints that appear whole or not at all."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.text import first_line


class CheckpointError(RuntimeError):
    """A checkpoint could not be written; those before it are as they were."""


class BadWeightsError(RuntimeError):
    """Weights are NaN or infinite."""


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Write a file by `torch.save`, in one piece.

    Args:
        content: What to save.
        path: The file; its folder exists.

    Raises:
        CheckpointError: If it can't be written, as on a full disk.
    """
    try:
        with atomic_write(path, sync=True) as file:
            torch.save(dict(content), file)
    # PyTorch wraps what goes wrong in writing into a RuntimeError of its own, now and then.
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f'{path} could not be written: {_reason(error)}{_room(path.parent)}') from error


def _reason(error: BaseException) -> str:
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    of_system = [cause for cause in causes if isinstance(cause, OSError)]
    return (of_system[-1].strerror or str(of_system[-1])) if of_system else first_line(error)


def _room(folder: Path) -> str:
    try:
        return f' ({shutil.disk_usage(folder).free / 2**20:.0f} MiB are free there)'
    except OSError:
        return ''


def network_content(networks: Sequence[nn.Module], keys: Sequence[str]) -> dict[str, dict[str, torch.Tensor]]:
    """Collect weights as BasicSR saves them.

    Args:
        networks: Networks, without the wrappers of several GPUs.
        keys: A name for each, `params` or `params_ema`.

    Returns:
        Weights on the CPU, by key and name; the names are those of the network itself, compiled or not.

    Raises:
        BadWeightsError: If a weight is NaN or infinite: it isn't worth keeping, and must not pass for the newest.
    """
    content = {}
    for network, key in zip(networks, keys, strict=True):
        weights = {_own_name(name): value.detach().cpu() for name, value in network.state_dict().items()}
        bad = [name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
        if bad:
            raise BadWeightsError(f'{len(bad)} of {len(weights)} weights are NaN or infinite ({bad[0]}, …): not saved')
        content[key] = weights
    return content


def save_network(
    model: Any,
    net: nn.Module | list[nn.Module],
    net_label: str,
    current_iter: int | str,
    param_key: str | list[str] = 'params',
) -> None:
    """Take the place of `BaseModel.save_network`: the same file, in one piece.

    Args:
        model: The model.
        net: Network or networks.
        net_label: Label of the file, such as `net_g`.
        current_iter: The iteration; -1 for `latest`.
        param_key: Their names in the file.

    Raises:
        CheckpointError: If it can't be written.
        BadWeightsError: If a weight is NaN or infinite.
    """
    if model.opt['rank'] != 0:
        return
    networks = [model.get_bare_model(network) for network in (net if isinstance(net, list) else [net])]
    content = network_content(networks, param_key if isinstance(param_key, list) else [param_key])
    name = f'{net_label}_{"latest" if current_iter == -1 else current_iter}.pth'
    write_checkpoint(content, Path(model.opt['path']['models']) / name)


def save_training_state(model: Any, epoch: int, current_iter: int) -> None:
    """Take the place of `BaseModel.save_training_state`: its content and more, in one piece.

    Added are the best metrics, whether the validation that falls on this iteration is done, and what the model's
    `extra_state()` returns, if it has one. All of it is plain values and tensors, so that it loads as such.

    Args:
        model: The model.
        epoch: The epoch.
        current_iter: The iteration; -1, for the end of the run, saves nothing.

    Raises:
        CheckpointError: If it can't be written.
    """
    if current_iter == -1 or model.opt['rank'] != 0:
        return
    content = {
        'epoch': epoch,
        'iter': current_iter,
        'manual_seed': model.opt.get('manual_seed'),
        'optimizers': [optimizer.state_dict() for optimizer in model.optimizers],
        'schedulers': [scheduler.state_dict() for scheduler in model.schedulers],
        'best': {
            name: {metric: {**best, 'val': float(best['val'])} for metric, best in bests.items()}
            for name, bests in getattr(model, 'best_metric_results', {}).items()
        },
        'validated': getattr(model, 'validated', False),
        'model': model.extra_state() if hasattr(model, 'extra_state') else None,
    }
    write_checkpoint(content, Path(model.opt['path']['training_states']) / f'{current_iter}.state')


def _own_name(name: str) -> str:
    return name.removeprefix('module.').replace('_orig_mod.', '')
