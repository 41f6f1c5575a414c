"""One read-only LMDB environment per process and path."""

import os
import threading
from collections.abc import Iterable

import lmdb

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
        """Read one value.

        Args:
            key: The key, ASCII.

        Returns:
            The stored bytes.

        Raises:
            KeyError: If the key is missing; the message names key and path.
        """
        with self._open().begin(buffers=False) as transaction:
            value = transaction.get(key.encode('ascii', 'replace'))
        if value is None:
            raise KeyError(f'{self.path} has no key {key!r}: meta_info.txt and data.mdb do not belong together')
        return value

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Find the keys that are not there, without reading the values.

        Args:
            keys: The keys to look for.

        Returns:
            Those that are missing, in order.
        """
        with self._open().begin() as transaction, transaction.cursor() as cursor:
            return [key for key in keys if not cursor.set_key(key.encode('ascii', 'replace'))]

    def _open(self) -> lmdb.Environment:
        with _lock:
            if self.path not in _environments:
                _environments[self.path] = lmdb.open(
                    self.path, readonly=True, lock=False, readahead=False, meminit=False, create=False
                )
            return _environments[self.path]
