"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from amsnet_basicsr.images.image import PhotoError


@contextmanager
def whole_file(path: Path, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Open a file that appears under its name once all is written, and not at all if anything goes wrong.

    Args:
        path: The file. Its folder must exist.
        overwrite: Whether an existing file may be replaced.

    Yields:
        A file to write to, which is seekable: a hidden one beside `path`.

    Raises:
        PhotoError: If `path` exists and may not be replaced, or can't be written.
    """
    # A short name: `path` may have the longest one that the file system takes.
    temporary = path.with_name(f'.amsnet-{os.getpid()}-{secrets.token_hex(4)}.tmp')
    try:
        if not overwrite and os.path.lexists(path):
            raise FileExistsError(path)
        with temporary.open('x+b') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, path)
        else:
            rename_new(temporary, path)
    except FileExistsError:
        raise PhotoError(f'{path}: exists already; --overwrite replaces it') from None
    except OSError as error:
        raise PhotoError(f'{path}: cannot be written: {error.strerror or error}') from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_whole(path: Path, content: bytes, overwrite: bool = False) -> None:
    """Write a file that appears whole or not at all.

    Args:
        path: The file. Its folder must exist.
        content: What to write.
        overwrite: Whether an existing file may be replaced.

    Raises:
        PhotoError: If it exists and may not be replaced, or can't be written.
    """
    with whole_file(path, overwrite) as file:
        file.write(content)


def rename_new(temporary: Path, path: Path) -> None:
    """Rename a file unless the target exists.

    A hard link fails where it does, so nobody's file can be lost in between.

    Args:
        temporary: The file; on some file systems its name stays too, and is the caller's to remove.
        path: Its new name.

    Raises:
        FileExistsError: If there is such a file.
        OSError: If it can't be renamed.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # file systems without hard links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.replace(temporary, path)
