"""What a file says of optimizers and schedulers, held against those of the training: PyTorch takes anything."""

from typing import Any

import torch

_COUNTERS = frozenset({'last_epoch', '_step_count', '_last_lr'})
"""What changes in a scheduler with each step; the rest follows from the options."""


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
                _check_moment(name, moments[name], like, parameter)


def _moments_of_a_step(optimizer: torch.optim.Optimizer, group: dict[str, Any], like: torch.Tensor) -> dict[str, Any]:
    """What the optimizer keeps of a parameter like this one; Adafactor's depends on its shape."""
    parameter = torch.nn.Parameter(torch.zeros_like(like))
    parameter.grad = torch.zeros_like(like)
    settings = {name: value for name, value in group.items() if name not in ('params', 'initial_lr')}
    probe = type(optimizer)([{**settings, 'params': [parameter]}])  # type: ignore[call-arg]
    probe.step()
    return probe.state[parameter]


def _check_moment(name: str, found: Any, like: Any, parameter: torch.Tensor) -> None:
    if type(found) is not type(like):
        raise TypeError(f'{name} of an optimizer is a {type(found).__name__}')
    if not isinstance(like, torch.Tensor):
        return
    if found.shape != like.shape or found.layout != torch.strided or found.is_meta or not found.is_floating_point():
        raise ValueError(f'{name} of an optimizer does not fit its parameter')
    if parameter.dim() and not like.dim() and not (found.isfinite() and found >= 0):
        raise ValueError(f'{name} of an optimizer is {found.item()}')


def same_schedule(own: dict[str, Any], saved: dict[str, Any]) -> bool:
    """Whether a saved scheduler differs from the training's in nothing but how far it has come.

    Other versions of PyTorch keep more or less.
    """
    epoch, steps, rates = saved.get('last_epoch'), saved.get('_step_count'), saved.get('_last_lr')
    if not (type(epoch) is type(steps) is int and isinstance(rates, list)):
        return False
    if [type(rate) for rate in rates] != [float] * len(own['_last_lr']):
        return False
    return all(_alike(own[name], saved[name]) for name in (own.keys() & saved.keys()) - _COUNTERS)


def _alike(own: Any, saved: Any) -> bool:
    """Whether plain values are equal; those of a file may be tensors, whose comparison may fail."""
    if type(own) is not type(saved):
        return False
    if isinstance(own, dict):
        return own.keys() == saved.keys() and all(_alike(value, saved[name]) for name, value in own.items())
    if isinstance(own, list | tuple):
        return len(own) == len(saved) and all(map(_alike, own, saved))
    return bool(own == saved)
