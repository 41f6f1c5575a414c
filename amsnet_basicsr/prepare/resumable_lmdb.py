"""A BasicSR LMDB that is written group by group, and can be gone on with after a kill.

A group (say, the patches of one image) is one transaction, so after a kill it is there whole or not at all. Which
groups are there, and by what settings they were made, is recorded in the LMDB itself, in the same transactions, and
taken out at the end.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb

from amsnet_basicsr.images.png import LEVEL
from amsnet_basicsr.prepare.errors import PrepareError
from amsnet_basicsr.prepare.whole_output import describe_differences
from amsnet_basicsr.utils.atomic_write import atomic_write

#: A key and the height and width of its image.
Listing = Iterable[tuple[str, tuple[int, int]]]

_PROGRESS = b'progress'
_SETTINGS = b'settings'
_GROUP = b'group/'
_META_INFO = 'meta_info.txt'


@dataclass(frozen=True)
class Group:
    """What is recorded of a group that is there.

    Attributes:
        count: Number of images.
        stored: Their bytes.
        source: Whatever told the source apart, to be compared by a later run.
    """

    count: int
    stored: int
    source: Any


class ResumableLmdb:
    """Writes `data.mdb` and `meta_info.txt` as BasicSR's `LmdbMaker` does.

    Args:
        folder: The folder, made if it isn't there.
        settings: What the content depends on, plain values.
        map_size: Bytes that the map starts with; it grows if that is too little.

    Raises:
        PrepareError: If the folder was begun with other settings, or is something else.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], map_size: int = 2**26) -> None:
        self.folder = folder
        data = folder / 'data.mdb'
        if folder.exists() and not data.is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise PrepareError(f'{folder} is in the way: it is no LMDB; remove it')
        if data.is_file():
            map_size = max(map_size, data.stat().st_size)
        try:
            self._env = lmdb.open(str(folder), map_size=map_size, max_dbs=1, readahead=False)
        except lmdb.Error as error:
            raise PrepareError(f'{folder} cannot be opened: {error}; --restart begins anew') from error
        try:
            self._open_progress(json.loads(json.dumps(settings)))
        except BaseException:
            self._env.close()
            raise

    def _open_progress(self, settings: dict[str, Any]) -> None:
        self._progress = self._env.open_db(_PROGRESS)
        with self._env.begin(write=True, db=self._progress) as txn:
            found = json.loads(txn.get(_SETTINGS) or 'null')
            if found is None:
                txn.put(_SETTINGS, json.dumps(settings).encode())
            elif found != settings:
                differences = describe_differences(found, settings)
                raise PrepareError(
                    f'{self.folder} was begun with other settings ({differences}): give the same to go on, or '
                    '--restart to begin anew'
                )

    def __enter__(self) -> 'ResumableLmdb':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._env.close()

    def groups(self) -> dict[str, Group]:
        """Read which groups are there.

        Returns:
            Their records by name.
        """
        with self._env.begin(db=self._progress) as txn:
            return {
                bytes(key[len(_GROUP) :]).decode(): Group(**json.loads(value))
                for key, value in txn.cursor()
                if key.startswith(_GROUP)
            }

    def put_group(self, name: str, images: Mapping[str, bytes], source: Any) -> Group:
        """Write the images of one group, all or none.

        Args:
            name: Name of the group, ASCII.
            images: Encoded images by key, ASCII without dots.
            source: What tells the source apart; plain values.

        Returns:
            The record.

        Raises:
            PrepareError: If the disk is full.
        """
        group = Group(len(images), sum(map(len, images.values())), source)
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    for key, content in images.items():
                        txn.put(key.encode('ascii'), content)
                    record = json.dumps(vars(group)).encode()
                    txn.put(_GROUP + name.encode('ascii'), record, db=self._progress)
                return group
            except lmdb.MapFullError:
                # Twice the size is always enough at last, and costs no disk: the file grows with what is written.
                self._env.set_mapsize(2 * self._env.info()['map_size'])
            except lmdb.Error as error:
                raise PrepareError(
                    f'{self.folder} cannot be written: {error}; the same command goes on later'
                ) from error

    def finish(self, listing: Listing) -> None:
        """List the images and take the records out; then the folder is a plain BasicSR LMDB.

        Args:
            listing: Keys and sizes of all images, in the order of `meta_info.txt`.
        """
        text = '\n'.join([*listing_lines(listing), ''])
        with atomic_write(self.folder / _META_INFO) as file:
            file.write(text.encode('ascii'))
        # Last: without it, a later run has nothing left to do but to rename.
        with self._env.begin(write=True) as txn:
            txn.drop(self._progress)


def listing_lines(listing: Listing) -> Iterator[str]:
    """Write the lines of `meta_info.txt`.

    Args:
        listing: Keys and sizes of the images.

    Yields:
        For each `key.png (h,w,3) 1`.
    """
    for key, (height, width) in listing:
        yield f'{key}.png ({height},{width},3) {LEVEL}'


def finished_lines(folder: Path) -> list[str] | None:
    """Tell whether an LMDB is whole: a run may have been killed when nothing but renaming was left to do.

    Args:
        folder: The folder of a `ResumableLmdb`.

    Returns:
        The lines of its `meta_info.txt`, or None if `finish` didn't get to its end.
    """
    listing = folder / _META_INFO
    if not listing.is_file() or not (folder / 'data.mdb').is_file():
        return None
    try:
        with lmdb.open(str(folder), readonly=True, lock=False, create=False) as env, env.begin() as txn:
            whole = txn.get(_PROGRESS) is None
    except lmdb.Error:
        return None
    return listing.read_text(encoding='ascii').splitlines() if whole else None
