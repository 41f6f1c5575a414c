"""Checkpoints that appear whole or not at all, and what a training state holds."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from torch import nn

from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.finite import bad_tensors
from amsnet_basicsr.utils.text import first_line, one_line


class CheckpointError(UserError):
    """A checkpoint could not be written; those before it are as they were."""


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
        UserError: If a weight is NaN or infinite: it isn't worth keeping, and must not pass for the newest.
    """
    content = {}
    for network, key in zip(networks, keys, strict=True):
        weights = {_own_name(name): value.detach().cpu() for name, value in network.state_dict().items()}
        if bad := bad_tensors(network):
            raise UserError(f'{len(bad)} of {len(weights)} weights are NaN or infinite ({bad[0]}, …): not saved')
        content[key] = weights
    return content


def training_state(model: Any, epoch: int, current_iter: int) -> dict[str, Any]:
    """Collect what BasicSR saves and what resuming exactly needs; plain values and tensors, so that it loads as such.

    Added are the seed, the best metrics, whether the validation that falls on this iteration is done, what the model's
    `extra_state()` returns, and what the training is made with. `TrainingState` says what is valid.

    Args:
        model: The model.
        epoch: The epoch.
        current_iter: The iteration.
    """
    return {
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
        'optimizer_types': [type(optimizer).__name__ for optimizer in model.optimizers],
        'made_with': getattr(model, 'made_with', None),
    }


def _own_name(name: str) -> str:
    return name.removeprefix('module.').replace('_orig_mod.', '')


Count = Annotated[int, Field(strict=True, ge=0, lt=2**53)]


class ParamGroup(BaseModel):
    """One group of an optimizer; the rest of its settings is the optimizer's own."""

    model_config = ConfigDict(extra='allow')
    params: list[Count]
    lr: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class OptimizerState(BaseModel):
    """What `Optimizer.state_dict()` returns."""

    state: dict[int, dict[str, Any]]
    param_groups: list[ParamGroup]


class BestFigure(BaseModel):
    """The best value of a metric, and when it was reached."""

    better: Literal['higher', 'lower']
    val: float
    iter: int | str


class TrainingState(BaseModel):
    """A training state; BasicSR's own have the first four."""

    model_config = ConfigDict(extra='allow')
    epoch: Count
    iter: Count
    optimizers: list[OptimizerState]
    schedulers: list[dict[str, Any]]
    manual_seed: Annotated[int, Field(strict=True)] | None = None
    best: dict[str, dict[str, BestFigure]] = {}
    validated: Annotated[bool, Field(strict=True)] = False
    model: dict[str, Any] | None = None
    optimizer_types: list[str] | None = None
    made_with: dict[str, JsonValue] | None = None


def checked_state(content: Any, path: Path) -> dict[str, Any]:
    """Validate a training state that was read from a file.

    Args:
        content: What the file holds.
        path: The file.

    Returns:
        The content.

    Raises:
        UserError: If it is no training state; one line that names the file and the first fault.
    """
    try:
        state = TrainingState.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = '.'.join(map(str, first['loc'])) or 'its content'
        raise UserError(f'{path} is no training state: {one_line(where)}: {one_line(first["msg"])}') from None
    if path.stem.isdecimal() and int(path.stem) != state.iter:
        raise UserError(f'{path} holds the state of iteration {state.iter}: it was renamed')
    return content
