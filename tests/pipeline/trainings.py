"""Trainings that a test may kill."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.fork_server import ForkServer


def environments(processes: int) -> list[dict[str, str]]:
    """What torchrun tells each of several processes; nothing to one that is alone."""
    if not processes:
        return [{}]
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]  # nothing listens there
    group = {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(port)}
    group |= {'WORLD_SIZE': str(processes), 'LOCAL_WORLD_SIZE': str(processes)}
    return [{**group, 'RANK': str(rank), 'LOCAL_RANK': str(rank)} for rank in range(processes)]


class Trainings:
    """Starts `amsnet_basicsr.train` in `folder`, one at a time."""

    def __init__(self, server: ForkServer, folder: Path) -> None:
        self.folder = folder
        self._server = server
        self._children: list[int] = []

    @property
    def log(self) -> Path:
        """Where the output goes."""
        return self.folder / 'trainings.log'

    def start(self, *arguments: object, processes: int = 0, **settings: Any) -> int:
        """Start a training; returns its (first) process id.

        Its output is appended to `log`. `settings`: see `ForkServer.start`.
        """
        self._children = [
            self._server.start(
                '-m', 'amsnet_basicsr.train', *arguments, *(['--launcher', 'pytorch'] if processes else []),
                cwd=self.folder, stdout=self.log, stderr=self.log, **settings, **environment,
            )
            for environment in environments(processes)
        ]  # fmt: skip
        return self._children[0]

    def wait_until(self, true: Callable[[], bool], pause: float = 0.002) -> None:
        """Wait until something is true, while the training runs; look every `pause` seconds."""
        while not true():
            states = [psutil.Process(child).status() for child in self._children]
            assert psutil.STATUS_ZOMBIE not in states, self.output()[-3000:]
            time.sleep(pause)

    def wait(self) -> int:
        """Wait for the end of the training; returns its exit code, negative after a signal."""
        codes = [self._server.wait(child) for child in self._children]
        return codes[0]

    def kill(self) -> None:
        """Kill all its processes, whatever they do."""
        for child in self._children:
            os.kill(child, signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL, self.output()[-3000:]

    def run(self, *arguments: object, **settings: Any) -> str:
        """Run a training to its end; returns what it printed and its exit code in a last line."""
        before = len(self.output())
        self.start(*arguments, **settings)
        code = self.wait()
        return f'{self.output()[before:]}\nexit code {code}'

    def output(self) -> str:
        """All output so far."""
        return self.log.read_text() if self.log.exists() else ''
