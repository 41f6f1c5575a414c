"""Trainings that a test may kill."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.fork_server import ForkServer


class Trainings:
    """Starts `amsnet_basicsr.train` in `folder`, one at a time."""

    def __init__(self, server: ForkServer, folder: Path) -> None:
        self.folder = folder
        self._server = server
        self._child = 0

    @property
    def log(self) -> Path:
        """Where the output goes."""
        return self.folder / 'trainings.log'

    def start(self, *arguments: object, **settings: Any) -> int:
        """Start a training; returns its process id. Its output is appended to `log`; `settings`: `ForkServer.start`."""
        self._child = self._server.start(
            '-m', 'amsnet_basicsr.train', *arguments, cwd=self.folder, stdout=self.log, stderr=self.log, **settings
        )
        return self._child

    def wait_until(self, true: Callable[[], bool], pause: float = 0.002) -> None:
        """Wait until something is true, while the training runs; look every `pause` seconds."""
        while not true():
            assert psutil.Process(self._child).status() != psutil.STATUS_ZOMBIE, self.output()[-3000:]
            time.sleep(pause)

    def wait(self) -> int:
        """Wait for the end of the training; returns its exit code, negative after a signal."""
        return self._server.wait(self._child)

    def run(self, *arguments: object, **settings: Any) -> str:
        """Run a training to its end; returns what it printed and its exit code in a last line."""
        before = len(self.output())
        self.start(*arguments, **settings)
        code = self.wait()
        return f'{self.output()[before:]}\nexit code {code}'

    def output(self) -> str:
        """All output so far."""
        return self.log.read_text() if self.log.exists() else ''
