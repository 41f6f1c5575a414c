"""Memory that is freed and wanted again at once: the C library is told to keep it."""

import ctypes
import os
import sys

#: Numbers of glibc's `mallopt`.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
#: With one of these the user has settled the matter.
_SETTINGS = ('MALLOC_MMAP_MAX_', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'GLIBC_TUNABLES', 'LD_PRELOAD')


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory instead of returning it to the system; for processes that are ours, not for imports.

    Features above 32 MiB are otherwise mapped anew at every operation, and each 4 KiB of them faults when it is first
    written: docs/performance.md has what that costs. The process then stays as large as it once was. Other systems and
    C libraries are left as they are, as is one whose allocator was set up by the environment.

    Returns:
        Whether it was done.
    """
    if not sys.platform.startswith('linux') or any(os.environ.get(name) for name in _SETTINGS):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, 2**31 - 1))
