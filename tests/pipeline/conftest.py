"""Running BasicSR for real, in processes of their own."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.fork_server import ENVIRONMENT, ForkServer
from tests.pipeline.trainings import Trainings, environments

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def start(tmp_path: Path, fork_server: ForkServer) -> Callable[..., tuple[list[int], list[Path]]]:
    """Start Python with arguments, as one process or as several, as torchrun would.

    Returns the process ids, and the files of what each prints: output and errors of the first, then of the second …
    """
    numbers = itertools.count()

    def start(
        command: Sequence[object], cwd: Path, processes: int = 0, bare: bool = False
    ) -> tuple[list[int], list[Path]]:
        children, files = [], []
        for environment in environments(processes):
            files += [tmp_path / f'.{name}{next(numbers)}' for name in ('stdout', 'stderr')]
            streams = {'stdout': files[-2], 'stderr': files[-1]}
            children.append(fork_server.start(*command, cwd=cwd, bare=bare, **streams, **environment))
        return children, files

    return start


@pytest.fixture
def run(tmp_path: Path, fork_server: ForkServer, start: Callable) -> Run:
    """Run Python with arguments in a folder; return its output, and fail if it fails unexpectedly.

    With `fresh`, in a new interpreter instead of one that has the plugin loaded; with `bare`, in one that has loaded
    libraries only; with `processes`, in so many at once.
    """

    def run(
        *arguments: object,
        cwd: Path = tmp_path,
        fails: bool = False,
        fresh: bool = False,
        processes: int = 0,
        bare: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        if fresh:
            command = [sys.executable, *map(str, arguments)]
            environment = {**os.environ, **ENVIRONMENT}
            result = subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=280)
        else:
            children, files = start(arguments, cwd, processes, bare)
            codes = [fork_server.wait(child) for child in children]
            texts = [''.join(file.read_text(errors='replace') for file in files[stream::2]) for stream in (0, 1)]
            for file in files:
                file.unlink()
            result = subprocess.CompletedProcess(arguments, next(filter(None, codes), 0), *texts)
        assert (result.returncode != 0) == fails, result.stdout[-3000:] + result.stderr[-3000:]
        return result

    return run


@pytest.fixture
def trainings(fork_server: ForkServer, tmp_path: Path) -> Trainings:
    """Trainings that can be interrupted."""
    return Trainings(fork_server, tmp_path)
