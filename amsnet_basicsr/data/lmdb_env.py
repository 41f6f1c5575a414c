"""One read-only LMDB environment per process and path."""

import os
import threading
from collections.abc import Iterable

import lmdb

_LONGEST_KEY = 511  # lmdb's own limit; it takes asking for more for an error of another kind
_environments: dict[str, lmdb.Environment] = {}
_lock = threading.Lock()


def _before_fork() -> None:
    """Close all environments; both sides open them again when they next read.

    An environment must not cross a fork, and lmdb ≥ 2 refuses to open in a child what it thinks is still open.
    """
    _lock.acquire()
    while _environments:
        _environments.popitem()[1].close()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(before=_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release)


class SharedLmdb:
    """Reads an LMDB that other readers of the process may have open too.

    Holds nothing but the path, so that it can be pickled, forked and copied.

    Args:
        path: The `.lmdb` folder.
    """

    def __init__(self, path: str) -> None:
        """Keep the path; the environment opens on the first read."""
        self.path = os.path.realpath(os.path.expanduser(path))

    def get(self, key: str) -> bytes:
        """Read the bytes stored under a key; BasicSR's keys are ASCII.

        Raises:
            KeyError: If the key is missing; the message names key and path.
            ValueError: If the LMDB is damaged; the message names it.
        """
        try:
            with self._open().begin(buffers=False) as transaction:
                value = transaction.get(_encoded(key)) if _possible(key) else None
        except lmdb.Error as error:
            raise _damaged(self.path, error) from None
        if value is None:
            raise KeyError(f'{self.path} has no key {key!r}: meta_info.txt and data.mdb do not belong together')
        return value

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Find the keys that are not there, in order, without reading values.

        Raises:
            ValueError: If the LMDB is damaged; the message names it.
        """
        try:
            with self._open().begin() as transaction, transaction.cursor() as cursor:
                return [key for key in keys if not (_possible(key) and cursor.set_key(_encoded(key)))]
        except lmdb.Error as error:
            raise _damaged(self.path, error) from None

    def _open(self) -> lmdb.Environment:
        with _lock:
            if self.path not in _environments:
                environment = lmdb.open(
                    self.path, readonly=True, lock=False, readahead=False, meminit=False, create=False
                )
                try:
                    _check_whole(self.path, environment)
                except ValueError:
                    environment.close()
                    raise
                _environments[self.path] = environment
            return _environments[self.path]


def _encoded(key: str) -> bytes:
    """BasicSR's keys are ASCII, which is UTF-8 too; names of files may be no text at all."""
    return key.encode(errors='surrogateescape')


def _possible(key: str) -> bool:
    return 0 < len(_encoded(key)) <= _LONGEST_KEY


def _check_whole(path: str, environment: lmdb.Environment) -> None:
    """Refuse a file that breaks off: reading beyond its end ends the process with a bus error."""
    pages, page_size = environment.info()['last_pgno'] + 1, environment.stat()['psize']
    size = os.path.getsize(os.path.join(path, 'data.mdb'))
    if size < pages * page_size:
        raise ValueError(
            f'{path} is damaged: data.mdb breaks off after {size} of {pages * page_size} bytes; copy or make it again'
        )


def _damaged(path: str, error: lmdb.Error) -> ValueError:
    reason = str(error).removeprefix(f'{path}: ')
    return ValueError(f'{path} is damaged, or no LMDB ({reason}); copy or make it again')
