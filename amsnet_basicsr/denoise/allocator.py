"""Memory that is freed and wanted again at once: the C library is told to keep it, within bounds."""

import ctypes
import os
import sys

#: Numbers of glibc's `mallopt`.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
#: With one of these the user has settled the matter.
_SETTINGS = ('MALLOC_MMAP_MAX_', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'GLIBC_TUNABLES', 'LD_PRELOAD')
#: Most freed bytes that a process keeps from one image to the next.
_MOST_KEPT = 128 * 2**20

_kept = False


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory instead of returning it to the system; for a command of ours, not for imports.

    Features above 32 MiB are otherwise mapped anew at every operation, and each 4 KiB of them faults when it is first
    written: docs/results/performance.md has what that costs. Without a limit a process would grow over images of
    many sizes, so `release_freed_memory` must be called between them. Other systems and C libraries are left as they
    are, as is one whose allocator was set up by the environment.

    Returns:
        Whether it was done.
    """
    global _kept
    if not sys.platform.startswith('linux') or any(os.environ.get(name) for name in _SETTINGS):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    _kept = bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, 2**31 - 1))
    return _kept


def release_freed_memory() -> None:
    """Return to the system what `keep_freed_memory` has let gather, if it is more than 128 MiB."""
    if not _kept:
        return
    library = ctypes.CDLL(None)
    try:
        library.mallinfo2.restype = _MallocInformation
        if library.mallinfo2().fordblks <= _MOST_KEPT:
            return
    except AttributeError:  # glibc before 2.33
        pass
    library.malloc_trim(ctypes.c_size_t(0))


class _MallocInformation(ctypes.Structure):
    """glibc's `struct mallinfo2`; `fordblks` is the free bytes in the heap."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'.split()
    )
