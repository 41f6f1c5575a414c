"""Joining the processes that torchrun started, on CPUs too; BasicSR's way needs CUDA."""

import os
from datetime import timedelta
from typing import Any

import torch
from basicsr.utils import dist_util

_TIMEOUT_MINUTES = 30
"""Longer than what the first process does alone: the validation of BasicSR's own models."""


def apply() -> None:
    """Let `init_dist` join processes our way."""
    dist_util._init_dist_pytorch = join_processes


def join_processes(backend: str = 'nccl', timeout: float = _TIMEOUT_MINUTES, **options: Any) -> None:
    """Take the place of `basicsr.utils.dist_util._init_dist_pytorch`; `timeout` is in minutes.

    Where there is no GPU, `nccl` becomes `gloo`; a `RuntimeError` if a process has no GPU to itself. More options go to
    `torch.distributed.init_process_group`.
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
