"""One read-only LMDB environment per process and path."""

import os

import lmdb

_environments: dict[str, lmdb.Environment] = {}


def _close_all() -> None:
    while _environments:
        _environments.popitem()[1].close()


# An environment must not cross a fork, and lmdb ≥ 2 refuses to open in a child what it thinks is still open. So the
# parent closes all before it forks data workers; both sides open them again when they next read.
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(before=_close_all)


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

    def _open(self) -> lmdb.Environment:
        if self.path not in _environments:
            _environments[self.path] = lmdb.open(
                self.path, readonly=True, lock=False, readahead=False, meminit=False, create=False
            )
        return _environments[self.path]
