"""How much memory a pass of a network takes, and how much is free."""

from collections.abc import Iterator
from contextlib import suppress
from math import inf
from pathlib import Path, PurePosixPath

import psutil
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

#: Share of the free memory that activations may take. On a CPU, operations' own buffers and gaps between kept blocks
#: come to more than as much again, and the result and its file need room too.
_SHARE, _SHARE_ON_CPU = 1 / 2, 1 / 4
#: Most memory for activations on a CPU, where larger tiles bring no speed.
_CPU_MOST = 512 * 2**20
_CGROUPS, _OWN_CGROUPS = Path('/sys/fs/cgroup'), Path('/proc/self/cgroup')
#: Files of a control group: its limit, what is used, statistics, and there the files in memory that can be dropped.
_V2 = ('memory.max', 'memory.current', 'memory.stat', 'inactive_file')
_V1 = ('memory.limit_in_bytes', 'memory.usage_in_bytes', 'memory.stat', 'total_inactive_file')


class _PeakMemory(TorchDispatchMode):
    """Adds up the storages that live at once, by watching what every operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._alive = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self._alive.update((tensor, None) for tensor in tree_leaves(out) if isinstance(tensor, torch.Tensor))
        storages = {storage.data_ptr(): storage.nbytes() for storage in map(torch.Tensor.untyped_storage, self._alive)}
        self.peak = max(self.peak, sum(storages.values()))
        return out


@torch.no_grad()
def bytes_per_pixel(net: nn.Module, channels: int = 3, multiple: int = 1, size: int = 64) -> float:
    """Measure the peak bytes of activations of a network per pixel of its input, without what operations use inside.

    It is run on an image of `size` pixels a side, rounded up to its size multiple.
    """
    parameter = next(net.parameters(), None)
    device = parameter.device if parameter is not None else None
    side = size + -size % multiple
    x = torch.zeros(1, channels, side, side, device=device)
    with _PeakMemory() as memory:
        net(x)
    return max(memory.peak, x.untyped_storage().nbytes()) / side**2


def memory_budget(device: torch.device) -> int:
    """Return how many bytes denoising may take.

    Half of what is free on a GPU; on a CPU a quarter, at most 512 MiB, within control groups and `ulimit -v`.
    """
    if device.type == 'cuda':
        return int(_SHARE * torch.cuda.mem_get_info(device)[0])
    free: float = psutil.virtual_memory().available
    for folder, files in _control_groups():
        free = min(free, _left_in(folder, *files))
    process = psutil.Process()
    if hasattr(process, 'rlimit'):  # on Linux
        limit, _ = process.rlimit(psutil.RLIMIT_AS)  # ulimit -v
        if limit != psutil.RLIM_INFINITY:
            free = min(free, max(limit - process.memory_info().vms, 0))
    return int(min(_SHARE_ON_CPU * free, _CPU_MOST))


def _control_groups() -> Iterator[tuple[Path, tuple[str, str, str, str]]]:
    """Yield the folders of this process's control groups, which may not exist, and the names of their files.

    In a container its own group is the root of what is mounted; elsewhere (systemd, SLURM) the groups lie below, and
    each of them may set a limit.
    """
    paths: dict[str, PurePosixPath] = {}
    with suppress(OSError):
        for line in _OWN_CGROUPS.read_text(encoding='utf-8', errors='surrogateescape').splitlines():
            _, names, path = line.split(':', 2)
            paths |= dict.fromkeys(names.split(','), PurePosixPath(path))
    for root, kind, files in ((_CGROUPS, '', _V2), (_CGROUPS / 'memory', 'memory', _V1)):
        own = paths.get(kind, PurePosixPath('/'))
        for group in (own, *own.parents):
            yield root / group.relative_to('/'), files


def _left_in(folder: Path, limit_file: str, used_file: str, stat_file: str, droppable: str) -> float:
    """Return how many bytes a control group has left, infinity if it sets no limit."""
    try:
        limit = int((folder / limit_file).read_text())
        used = int((folder / used_file).read_text())
        stat = dict(line.split() for line in (folder / stat_file).read_text().splitlines())
        # Files that were read count as used, but are dropped when memory is wanted.
        return max(limit - used + int(stat.get(droppable, 0)), 0)
    except (OSError, ValueError):  # no such group, or `max`
        return inf
