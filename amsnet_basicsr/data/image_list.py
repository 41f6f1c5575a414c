"""The images of a data set: those in a folder, in a list, or in an LMDB."""

import os.path as osp
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from basicsr.utils import get_root_logger

from amsnet_basicsr.data.lmdb_env import SharedLmdb
from amsnet_basicsr.images import READ_SUFFIXES, read_bytes
from amsnet_basicsr.utils.text import as_text
from amsnet_basicsr.utils.walk import walk_files

_LONGEST_NAME = 4096
_SIZE = re.compile(r' \((\d+), ?(\d+)(?:, ?\d+)?\)(?: \d+)?$')


@dataclass(frozen=True)
class ImageEntry:
    """Where one image lies.

    Attributes:
        path: File path as text, or for LMDB `<root>/<name>`; used as `lq_path`.
        root: The folder or LMDB.
        place: Path of the file, or its key in `lmdb`.
        lmdb: The LMDB, if it is one.
        size: Height and width, if listed.
        missing: Whether it is listed only.
    """

    path: str
    root: str
    place: str
    lmdb: SharedLmdb | None = None
    size: tuple[int, int] | None = None
    missing: bool = False

    def read(self) -> bytes:
        """Read the encoded image."""
        return read_bytes(self.place) if self.lmdb is None else self.lmdb.get(self.place)


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Let errors of a data set begin with its name."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        kind = ValueError if isinstance(error, ValueError) else FileNotFoundError
        raise kind(f'{where}: {error}') from error


def existing_folder(path: str) -> str:
    """Return a folder that must exist, `~` expanded."""
    folder = osp.expanduser(path)
    if not osp.isdir(folder):
        raise FileNotFoundError(f'there is no folder {folder}')
    return folder


def list_folder(root: str, meta_info_file: str | None = None) -> list[ImageEntry]:
    """List the images in a folder and its subfolders, or those that a meta-info file names."""
    if meta_info_file is None:
        return [ImageEntry(as_text(path), root, path) for path in find_images(root)]
    listed = [(osp.join(root, name), size) for name, size in read_meta_info(meta_info_file)]
    return [ImageEntry(as_text(path), root, path, None, size, not osp.exists(path)) for path, size in listed]


def list_lmdb(root: str, meta_info_file: str | None = None) -> list[ImageEntry]:
    """List the images of an LMDB that its own, or another, meta-info file names.

    Raises:
        FileNotFoundError: If there is no LMDB or no meta-info file.
        ValueError: If the LMDB is damaged, or BasicSR's keys of two images are the same.
    """
    if not osp.isfile(osp.join(root, 'data.mdb')):
        raise FileNotFoundError(f'{root} holds no data.mdb: it is no finished LMDB')
    listing = meta_info_file or osp.join(root, 'meta_info.txt')
    listed = [(name.split('.')[0], name, size) for name, size in read_meta_info(listing)]
    names: dict[str, str] = {}
    for key, name, _ in listed:
        if names.setdefault(key, name) != name:
            raise ValueError(
                f'{listing} lists {names[key]} and {name}, which are one image to BasicSR: its key is what stands '
                'before the first dot; make the LMDB again with names that have one dot'
            )
    lmdb = SharedLmdb(root)
    missing = set(lmdb.missing(names))
    return [ImageEntry(as_text(f'{root}/{name}'), root, key, lmdb, size, key in missing) for key, name, size in listed]


def find_images(root: str) -> list[str]:
    """List the image files in a folder and its subfolders, sorted; folders that cannot be searched are logged.

    Files count that are named like images; hidden ones, and those in hidden folders, are left out.
    """
    found = (path for path in walk_files(Path(root), _log_unsearched) if path.suffix.lower() in READ_SUFFIXES)
    return sorted(osp.join(root, path.relative_to(root)) for path in found)


def _log_unsearched(error: OSError) -> None:
    get_root_logger().warning(f'{error.filename}: cannot be searched, left out: {error.strerror}')


def read_meta_info(path: str) -> list[tuple[str, tuple[int, int] | None]]:
    """Read a BasicSR meta-info file.

    Args:
        path: Text file with lines `name.png (h,w,c) 1`; size and level may be missing.

    Returns:
        Name and (height, width), or None where no size is given, of each line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such list.
    """
    path = osp.expanduser(path)
    if not osp.isfile(path):
        raise FileNotFoundError(f'there is no meta-info file {path}')
    entries: list[tuple[str, tuple[int, int] | None]] = []
    # Names of files may be no text; they come out as the system gives them.
    with open(path, encoding='utf-8-sig', errors='surrogateescape') as file:
        for number, line in enumerate(map(str.strip, file), 1):
            if not line:
                continue
            found = _SIZE.search(line)
            name = line[: found.start()] if found else line
            if '\0' in name or len(name) > _LONGEST_NAME:
                raise ValueError(f'{path}, line {number}: this is no name of an image; is it a text file?')
            entries.append((name, (int(found[1]), int(found[2])) if found else None))
    return entries
