"""One process at a time at one place."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold a lock on an output; the lock is a hidden file beside it and ends with the process, however that ends.

    Args:
        path: The file or folder being written; its parent is made if need be.

    Raises:
        BlockingIOError: If another process holds the lock.
        OSError: If the lock file can't be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.absolute().with_name(f'.{path.absolute().name}.lock')
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BlockingIOError(errno.EAGAIN, 'another run is writing there; wait for it to end', str(path)) from None
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()  # while the lock is held, so that the file is nobody else's
        lock.release()
