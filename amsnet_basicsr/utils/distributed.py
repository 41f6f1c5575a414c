"""Collective operations of several processes; with a single one they do nothing."""

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from amsnet_basicsr.utils.errors import UserError

Value = TypeVar('Value')


def average_gradients(net: nn.Module, devices: list[int] | None = None, unused: bool = False) -> nn.Module:
    """Wrap a network so that processes average their gradients; `unused`: some parameters get none."""
    # In channels_last the gradient of a pointwise convolution states other strides for the same memory.
    warnings.filterwarnings('ignore', 'Grad strides do not match bucket view strides')
    return DistributedDataParallel(net, device_ids=devices, find_unused_parameters=unused)


def has_joined() -> bool:
    """Return whether this process is one of several."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def wait_for_all() -> None:
    """Wait until every process has come here."""
    if has_joined():
        torch.distributed.barrier()


def from_first(value: Value) -> Value:
    """Return what the first process passed; it must pickle."""
    if not has_joined():
        return value
    holder = [value]
    torch.distributed.broadcast_object_list(holder, src=0)
    return holder[0]


def in_first(work: Callable[[], Value]) -> Value:
    """Do something in the first process alone; all return its result, or raise a `UserError` if it failed."""
    result, failure = None, None
    if not has_joined() or torch.distributed.get_rank() == 0:
        try:
            result = work()
        except OSError as error:
            failure = f'{error.filename}: {error.strerror}' if error.filename else str(error)
        except UserError as error:
            failure = str(error)
    result, failure = from_first((result, failure))
    if failure is not None:
        raise UserError(failure)
    return result  # type: ignore[return-value]


def leave() -> None:
    """Leave the group of processes."""
    if has_joined():
        torch.distributed.destroy_process_group()
