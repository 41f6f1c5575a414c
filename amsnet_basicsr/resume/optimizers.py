"""What a file says of optimizers, held against those of the training: PyTorch takes anything."""

from typing import Any

import torch


def check_moments(optimizer: torch.optim.Optimizer) -> None:
    """Raise an error unless what was restored is what a step of the optimizer makes, in the shape of each parameter."""
    for group in optimizer.param_groups:
        for parameter in group['params']:
            moments = optimizer.state.get(parameter)
            if not moments:
                continue
            expected = _moments_of_a_step(optimizer, group, parameter)
            if moments.keys() != expected.keys():
                raise ValueError(f'{type(optimizer).__name__} keeps {", ".join(expected)} of each parameter')
            for name, like in expected.items():
                if not _fits(moments[name], like, parameter):
                    raise ValueError(f'{name} of an optimizer does not fit its parameter')


def _moments_of_a_step(optimizer: torch.optim.Optimizer, group: dict[str, Any], like: torch.Tensor) -> dict[str, Any]:
    """What the optimizer keeps of a parameter like this one; Adafactor's depends on its shape."""
    parameter = torch.nn.Parameter(torch.zeros_like(like))
    parameter.grad = torch.zeros_like(like)
    settings = {name: value for name, value in group.items() if name not in ('params', 'initial_lr')}
    probe = type(optimizer)([{**settings, 'params': [parameter]}])  # type: ignore[call-arg]
    probe.step()
    return probe.state[parameter]


def _fits(found: Any, like: Any, parameter: torch.Tensor) -> bool:
    if type(found) is not type(like):
        return False
    if not isinstance(like, torch.Tensor):
        return True
    if found.shape != like.shape or found.layout != torch.strided or found.is_meta or not found.is_floating_point():
        return False
    counts = parameter.dim() and not like.dim()
    return not counts or bool(found.isfinite() and found >= 0)
