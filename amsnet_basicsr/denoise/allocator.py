"""Keep freed memory in the process, within bounds (glibc's mallopt)."""

import ctypes
import os
import sys

#: Numbers of glibc's `mallopt`.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
#: The allocator is left alone where the user has set one of these.
_SETTINGS = ('MALLOC_MMAP_MAX_', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'GLIBC_TUNABLES', 'LD_PRELOAD')
#: Most freed bytes kept from one image to the next.
_MOST_KEPT = 128 * 2**20

_kept = False


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory instead of returning it to the system; for a command of ours, not for imports.

    Otherwise features above 32 MiB are mapped anew at every operation, and each 4 KiB of them faults when first
    written (docs/results/performance.md has the cost). Call `release_freed_memory` between images, or the process
    grows over images of many sizes. Does nothing on other systems and C libraries.

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
    """Return freed memory that `keep_freed_memory` kept to the system, if it is more than 128 MiB."""
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
