"""Checkpoints that appear whole or not at all, and what a training state holds."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from torch import nn

from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.finite import bad_tensors
from amsnet_basicsr.utils.text import one_line


class CheckpointError(UserError):
    """A checkpoint could not be written; those before it are as they were."""


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Write a file by `torch.save`, in one piece; its folder exists.

    Raises:
        CheckpointError: If it cannot be written, as on a full disk.
    """
    encoded = io.BytesIO()  # not the file itself, whose OSError PyTorch would turn into a RuntimeError of its own
    torch.save(dict(content), encoded)
    try:
        with atomic_write(path, sync=True) as file:
            file.write(encoded.getbuffer())
    except OSError as error:
        raise CheckpointError(f'{path} could not be written: {error.strerror or error}') from error


def network_content(networks: Sequence[nn.Module], keys: Sequence[str]) -> dict[str, dict[str, torch.Tensor]]:
    """Collect the weights of networks on the CPU, as BasicSR saves them: by key (`params`, `params_ema`) and name.

    Raises:
        UserError: If a weight is NaN or infinite: it must not pass for the newest.
    """
    content = {}
    for network, key in zip(networks, keys, strict=True):
        state = network.state_dict()
        if bad := bad_tensors(network):
            raise UserError(f'{len(bad)} of {len(state)} weights are NaN or infinite ({bad[0]}, …): not saved')
        # The names are those of the network itself, compiled or not.
        content[key] = {
            name.removeprefix('module.').replace('_orig_mod.', ''): value.detach().cpu()
            for name, value in state.items()
        }
    return content


def training_state(model: Any, epoch: int, current_iter: int) -> dict[str, Any]:
    """Collect what BasicSR saves and what resuming exactly needs, as plain values and tensors: a `TrainingState`."""
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
        'validated': model.run is not None and model.run.validated,
        'model': model.extra_state() if hasattr(model, 'extra_state') else None,
        'optimizer_types': [type(optimizer).__name__ for optimizer in model.optimizers],
        'made_with': model.run and model.run.made_with,
    }


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
    """Whether the validation that falls on this iteration is done."""
    model: dict[str, Any] | None = None
    """What the model's `extra_state()` returns."""
    optimizer_types: list[str] | None = None
    made_with: dict[str, JsonValue] | None = None


def read_state(path: Path) -> dict[str, Any]:
    """Read a training state; optimizers and schedulers move what they load to the device of their parameters."""
    return checked_state(torch.load(path, map_location='cpu', weights_only=True), path)


def checked_state(content: Any, path: Path) -> dict[str, Any]:
    """Return the content of a file if it is a valid training state.

    Raises:
        UserError: If it is none; one line that names the file and the first fault.
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
