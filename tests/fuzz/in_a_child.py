"""Run a fuzz test in a process of its own: a crash of a C library would take the whole test run with it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from tests.conftest import REPOSITORY
from tests.fuzz.settings import examples, is_long

MOST_MEGABYTES = 2500
"""What a child may take at its peak: an image of as many pixels as are let in takes 1600, PyTorch alone 800."""


def fuzz(strategy: SearchStrategy, check: Callable[[Path, object], None], folder: Path, quick: int) -> None:
    """In the child: try inputs, and print how many there were and what memory they took at the peak.

    Args:
        strategy: Makes the inputs.
        check: Called with a file of no fixed content and an input; an exception is a find.
        folder: Scratch folder. The input that is being tried lies there as `input`, for the case that the process dies.
        quick: Number of inputs in a usual test run.
    """
    import resource

    os.fsync = lambda _: None  # nothing is kept, and waiting for the disk would take most of the time
    tried = 0

    @settings(
        max_examples=examples(quick),
        derandomize=not is_long(),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(strategy)
    def run(data: object) -> None:
        nonlocal tried
        tried += 1
        check(folder / 'input', data)

    run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f'{tried} inputs, {peak} MB at the peak')


def run_child(module: str, folder: Path, timeout: int) -> str:
    """In the test: run a module as `python -m module folder`.

    Args:
        module: Module whose main calls `fuzz`.
        folder: Scratch folder.
        timeout: Seconds after which it counts as hanging.

    Returns:
        What it printed at the end.
    """
    command = [sys.executable, '-m', module, str(folder)]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore', 'OPENCV_LOG_LEVEL': 'OFF'}
    result = subprocess.run(
        command, cwd=REPOSITORY, env=environment, text=True, errors='replace', capture_output=True, timeout=timeout
    )
    if result.returncode < 0:
        pytest.fail(f'the process died of signal {-result.returncode}; its last input is {folder / "input"}')
    told = '\n'.join(line[:300] for line in (result.stdout + result.stderr).splitlines())  # inputs are long
    assert result.returncode == 0, told[-8000:]
    return result.stdout.splitlines()[-1]
