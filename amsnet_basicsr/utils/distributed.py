"""Several processes: what BasicSR has for GPUs with NCCL, for CPUs with gloo too, and without races at the start."""

import os
import warnings
from datetime import timedelta
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

_TIMEOUT_MINUTES = 30


def join_processes(backend: str = 'nccl', timeout: float = _TIMEOUT_MINUTES, **options: Any) -> None:
    """Take the place of `basicsr.utils.dist_util._init_dist_pytorch`: join the processes that torchrun started.

    BasicSR's chooses the GPU by the rank among all nodes, and fails without one.

    Args:
        backend: `nccl`, which becomes `gloo` where there is no GPU, or another of PyTorch's.
        timeout: Minutes after which a process stops waiting for another. Longer than what the first does alone: the
            validation of BasicSR's own models. (Ours share theirs.)
        **options: More for `torch.distributed.init_process_group`; `dist_params` of the options file.

    Raises:
        RuntimeError: If a process has no GPU to itself.
    """
    gpus, local_rank = torch.cuda.device_count(), int(os.environ.get('LOCAL_RANK', 0))
    options.pop('port', None)  # slurm's; torchrun has its own
    if gpus and backend == 'nccl':
        if local_rank >= gpus:
            raise RuntimeError(f'process {local_rank} of this node has no GPU: use --nproc_per_node={gpus}')
        torch.cuda.set_device(local_rank)
    elif backend == 'nccl':
        backend = 'gloo'
    torch.distributed.init_process_group(backend, timeout=timedelta(minutes=timeout), **options)


def average_gradients(net: nn.Module, devices: list[int] | None = None, unused: bool = False) -> nn.Module:
    """Wrap a network so that the processes average their gradients.

    Args:
        net: The network.
        devices: The GPU of this process, None on a CPU.
        unused: Whether there are weights that get no gradient.

    Returns:
        The wrapped network.
    """
    # In channels_last the gradient of a pointwise convolution says its strides otherwise: the same memory, a warning.
    warnings.filterwarnings('ignore', 'Grad strides do not match bucket view strides')
    return DistributedDataParallel(net, device_ids=devices, find_unused_parameters=unused)


def place_network(model: Any, net: nn.Module) -> nn.Module:
    """Take the place of `BaseModel.model_to_device`: wrap a network for several processes, on CPUs too.

    Args:
        model: The model; its options `dist`, `num_gpu`, `find_unused_parameters`, `channels_last` and `compile`
            count.
        net: The network.

    Returns:
        The network on its device, in the layout asked for, wrapped if there are several processes or GPUs.
    """
    net = net.to(model.device)
    if model.opt.get('channels_last'):
        net = net.to(memory_format=torch.channels_last)
    if model.opt.get('compile'):
        net.compile()  # in place, so that the names of the weights stay
    if model.opt['dist']:
        devices = [torch.cuda.current_device()] if model.device.type == 'cuda' else None
        unused = model.opt.get('find_unused_parameters', False)
        return average_gradients(net, devices, unused)
    return DataParallel(net) if model.opt['num_gpu'] > 1 else net


def has_joined() -> bool:
    """Tell whether this process is one of several."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def wait_for_all() -> None:
    """Wait until every process is here; nothing if there is but one."""
    if has_joined():
        torch.distributed.barrier()


def from_first(value: Any) -> Any:
    """Let the first process decide.

    Args:
        value: What this process has; of others than the first it doesn't matter. Something that pickles.

    Returns:
        What the first process has.
    """
    if not has_joined():
        return value
    holder = [value]
    torch.distributed.broadcast_object_list(holder, src=0)
    return holder[0]


def leave() -> None:
    """Take leave of the other processes, if there are any."""
    if has_joined():
        torch.distributed.destroy_process_group()
