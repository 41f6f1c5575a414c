"""Write files that appear complete or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: Path, overwrite: bool = True, sync: bool = False) -> Iterator[BinaryIO]:
    """Open a file that gets its name only when it is complete, and leaves nothing behind on failure.

    It is seekable, open for writing and reading: a hidden file beside `path`, in a folder that exists. If it cannot be
    written (`OSError`), as on a full disk, the old one is kept.

    Args:
        path: The file.
        overwrite: Whether an existing file may be replaced; else a `FileExistsError`.
        sync: Whether to flush the file to disk first, so that a power cut can't tear it; takes some time.
    """
    if not overwrite and os.path.lexists(path):
        raise _exists(path)
    # A short name: `path` may have the longest one that the file system takes.
    temporary = path.with_name(f'.amsnet-{os.getpid()}-{secrets.token_hex(4)}.tmp')
    try:
        with temporary.open('x+b') as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, path)
        else:
            rename_new(temporary, path)
        if sync:
            _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def rename_new(temporary: Path, path: Path) -> None:
    """Rename a file unless the target exists: a hard link fails where it does, so that no file can be lost.

    On some file systems the old name remains; the caller removes it.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:  # file systems without hard links
        if os.path.lexists(path):
            raise _exists(path) from None
        os.replace(temporary, path)


def write_error(path: Path, error: OSError) -> str:
    """Say in one line why a file could not be written."""
    if isinstance(error, FileExistsError):
        return f'{path}: exists already; --overwrite replaces it'
    return f'{path}: cannot be written: {error.strerror or error}'


def _exists(path: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _sync_folder(folder: Path) -> None:
    """Flush the new name to disk too, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
