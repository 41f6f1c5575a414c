"""One LMDB for several of BasicSR's datasets: lmdb ≥ 2 refuses to open one path twice in a process."""

from typing import Any

from basicsr.utils.file_client import FileClient, LmdbBackend

from amsnet_basicsr.data.lmdb_env import SharedLmdb


class SharedLmdbBackend(LmdbBackend):
    """BasicSR's backend with environments that datasets share and that survive a fork."""

    def __init__(self, db_paths: str | list[str], client_keys: str | list[str] = 'default', **_: Any) -> None:
        """Keep the paths; environments open on the first read."""
        self.db_paths = [db_paths] if isinstance(db_paths, str) else list(db_paths)
        keys = [client_keys] if isinstance(client_keys, str) else list(client_keys)
        self._client = dict(zip(keys, map(SharedLmdb, self.db_paths), strict=True))

    def get(self, filepath: str, client_key: str) -> bytes:
        """Read one value."""
        return self._client[client_key].get(str(filepath))


def apply() -> None:
    """Let BasicSR's datasets share our environments."""
    FileClient._backends['lmdb'] = SharedLmdbBackend
