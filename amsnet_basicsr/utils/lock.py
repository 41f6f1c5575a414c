"""A lock for one process at a time."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def exclusive_lock(path: Path, wait: float = 0) -> Iterator[None]:
    """Hold a lock on an output; the lock is a hidden file beside it and ends with the process, however that ends.

    If another process still holds it after `wait` seconds, a `BlockingIOError` says which, and since when.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.absolute().with_name(f'.{path.absolute().name}.lock')
    lock = FileLock(file)
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise BlockingIOError(
            errno.EAGAIN, f'another run is writing there{_holder(file)}; wait for it to end', str(path)
        ) from None
    with suppress(OSError):
        file.write_text(f'process {os.getpid()} on {socket.gethostname()} since {time.strftime("%Y-%m-%d %H:%M:%S")}')
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()  # while the lock is held, so that no other process owns the file
        lock.release()


def _holder(file: Path) -> str:
    try:
        holder = file.read_text('utf-8', 'replace')[:200]
    except OSError:
        return ''
    return f' ({holder})' if holder.isprintable() and holder else ''
