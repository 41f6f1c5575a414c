"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path, sync: bool = False) -> Iterator[BinaryIO]:
    """Open a file that appears, or takes the place of the old one, only when all of it is written.

    Args:
        path: The file; its folder exists.
        sync: Whether it must be on the disk by then, so that a loss of power can't tear it either; takes some time.

    Yields:
        The open file: a hidden one beside `path`.

    Raises:
        OSError: If it cannot be written, as on a full disk; the old one is still there then.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        with temporary.open('wb') as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if sync:
            _sync_folder(path.parent)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk too, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
