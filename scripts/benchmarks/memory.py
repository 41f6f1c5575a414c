"""Peak memory of a call, in a process of its own, so that nothing before it counts. Linux only."""

import multiprocessing
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

PROCESSES = multiprocessing.get_context('forkserver' if sys.platform == 'linux' else 'spawn')
"""New processes without anything of this one's memory, forked from one that has imported what takes long to import."""
if sys.platform == 'linux':
    PROCESSES.set_forkserver_preload(['amsnet_basicsr.plugin'])


def _status_bytes(key: str) -> int:
    for line in Path('/proc/self/status').read_text(encoding='utf-8').splitlines():
        if line.startswith(f'{key}:'):
            return int(line.split()[1]) * 1024
    raise ValueError(f'/proc/self/status has no {key}')


def _peak(prepare: Callable[..., Callable[[], Any]], arguments: tuple, threads: int) -> tuple[int | None, Any]:
    torch.set_num_threads(threads)
    task = prepare(*arguments)
    before = _status_bytes('VmRSS')
    # What doesn't fit fails here instead of taking the machine down.
    limit = _status_bytes('VmSize') + psutil.virtual_memory().available
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        result = task()
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or 'alloc' in str(error):
            return None, None
        raise
    return _status_bytes('VmHWM') - before, result


def peak_of(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> tuple[int | None, Any]:
    """Measure by how much a call raises the memory of a new process."""
    with PROCESSES.Pool(1) as pool:
        return pool.apply(_peak, (prepare, arguments, torch.get_num_threads()))


def memory_cells(ours: int | None, plain: int | None) -> tuple[str, str]:
    """Write two peaks as cells of a table."""
    own = 'does not fit' if ours is None else f'{ours / 2**20:,.0f} MiB'
    if ours is None:
        return '–', own
    return 'plain does not fit' if plain is None else f'{ours / plain:.2f}', own
