"""What a training state holds; BasicSR's own have the first four."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line

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
    """A training state."""

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
        UserError: If it is no training state; one line that names the file and what is wrong first.
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
