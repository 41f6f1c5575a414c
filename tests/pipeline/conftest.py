"""Running BasicSR for real, in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run Python with arguments in a folder; return its output, and fail if it fails unexpectedly."""

    def start(*arguments: object, cwd: Path = tmp_path, fails: bool = False) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore'}
        command = [sys.executable, *map(str, arguments)]
        result = subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=280)
        assert (result.returncode != 0) == fails, result.stdout[-3000:] + result.stderr[-3000:]
        return result

    return start
