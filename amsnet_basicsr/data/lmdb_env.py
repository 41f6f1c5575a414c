"""One read-only LMDB environment per process and path."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import lmdb

_LONGEST_KEY = 511  # lmdb's own limit; for a longer key it raises an error instead of finding nothing
_NO_KEY = b'/'  # which no image has
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
        with self._reading() as transaction:
            value = transaction.get(_encoded(key))
        if value is None:
            raise KeyError(f'{self.path} has no key {key!r}: meta_info.txt and data.mdb do not belong together')
        return bytes(value)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Find the keys that are not there, in order, without reading values.

        Raises:
            ValueError: If the LMDB is damaged; the message names it.
        """
        with self._reading() as transaction, transaction.cursor() as cursor:
            return [key for key in keys if not cursor.set_key(_encoded(key))]

    @contextmanager
    def _reading(self) -> Iterator[lmdb.Transaction]:
        try:
            with self._open().begin() as transaction:
                yield transaction
        except lmdb.Error as error:
            reason = str(error).removeprefix(f'{self.path}: ')
            raise ValueError(f'{self.path} is damaged, or no LMDB ({reason}); copy or make it again') from None

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
    """Encode a key. BasicSR's are ASCII; names of files may be no text, nothing, or longer than any key can be."""
    encoded = key.encode(errors='surrogateescape')
    return encoded if 0 < len(encoded) <= _LONGEST_KEY else _NO_KEY


def _check_whole(path: str, environment: lmdb.Environment) -> None:
    """Refuse a file that breaks off: reading beyond its end ends the process with a bus error."""
    pages, page_size = environment.info()['last_pgno'] + 1, environment.stat()['psize']
    size = os.path.getsize(os.path.join(path, 'data.mdb'))
    if size < pages * page_size:
        raise ValueError(
            f'{path} is damaged: data.mdb breaks off after {size} of {pages * page_size} bytes; copy or make it again'
        )
