"""Running BasicSR's training in a process of its own, and going on after a kill."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from amsnet_basicsr.fit.state import FitError
from amsnet_basicsr.resume.states import is_intact

_ITERATION = re.compile(r'iter:\s*([\d,]+),.*?(?:l_\w+: ([\d.e+-]+))')
_METRIC = re.compile(r'# (\w+): ([\d.]+)')
_END = 'End of training'
_KEPT_STATES = 2


def run_training(
    folder: Path,
    name: str,
    total: int,
    on_step: Callable[[int, float], None],
    on_validation: Callable[[int, float], None],
) -> None:
    """Train by `NAME.yml`, from the last whole checkpoint on if there is one.

    Output goes to `NAME.log`. The training ends with this process.

    Args:
        folder: The work folder.
        name: Name of the training.
        total: Its number of steps.
        on_step: Told the iteration and the loss now and then.
        on_validation: Told the iteration and the metric after each validation.

    Raises:
        FitError: If it fails.
    """
    drop_torn(folder, name)
    command = [sys.executable, '-m', 'amsnet_basicsr.fit.train_subprocess', '-opt', f'{name}.yml', '--auto_resume']
    environment = {**os.environ, 'PYTHONUNBUFFERED': '1', 'PYTHONIOENCODING': 'utf-8', 'PYTHONPATH': _python_path()}
    log = folder / f'{name}.log'
    # In a session of its own: Ctrl-C reaches this process alone, which ends the training by closing the pipe.
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding='utf-8', errors='replace', start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    iteration, validated, last = 0, -1, ''
    try:
        with log.open('a', buffering=1, encoding='utf-8') as file:
            for line in process.stdout:
                file.write(line)
                last = line.strip() or last
                if found := _ITERATION.search(line):
                    iteration = int(found[1].replace(',', ''))
                    on_step(iteration, float(found[2]))
                elif _END in line:
                    iteration = total
                elif (found := _METRIC.search(line)) and iteration != validated:  # BasicSR repeats the last one
                    validated = iteration
                    on_validation(iteration, float(found[2]))
                    prune(folder, name)
        code = process.wait()
    except BaseException:
        process.stdin.close()  # which ends it
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait()
        raise
    finally:
        process.stdin.close()
        process.stdout.close()
    if code:
        raise FitError(f'the training of the {name} failed (exit code {code}): {last}; all of it is in {log}')


def _python_path() -> str:
    """Let the child find this package where this process did, whatever folder it is run in."""
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([root, *filter(None, [os.environ.get('PYTHONPATH')])])


def checkpoints(folder: Path, name: str) -> list[tuple[Path, Path]]:
    """List the checkpoints of a training.

    Args:
        folder: The work folder.
        name: Name of the training.

    Returns:
        Pairs of training state and weights, the latest first.
    """
    root = folder / 'experiments' / name
    states = sorted((root / 'training_states').glob('*.state'), key=lambda path: -int(path.stem))
    return [(state, root / 'models' / f'net_g_{state.stem}.pth') for state in states]


def drop_torn(folder: Path, name: str) -> None:
    """Remove what a kill left half written, so that the training goes on from what is whole.

    BasicSR takes the latest state, whole or not. Without any it would rename the folder and begin anew.

    Args:
        folder: The work folder.
        name: Name of the training.
    """
    root = folder / 'experiments' / name
    best = [root / 'models' / f'net_g_best.{suffix}' for suffix in ('pth', 'json')]
    if not (is_intact(best[0]) and _is_record(best[1])):  # the next validation writes them
        _remove(best)
    for pair in checkpoints(folder, name):
        if all(map(is_intact, pair)):
            return
        _remove(pair)
    if root.exists():
        shutil.rmtree(root)


def _is_record(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def prune(folder: Path, name: str, kept: int = _KEPT_STATES) -> None:
    """Remove older checkpoints.

    Args:
        folder: The work folder.
        name: Name of the training.
        kept: How many of the latest stay.
    """
    for pair in checkpoints(folder, name)[kept:]:
        _remove(pair)


def validation_curve(folder: Path, name: str, metric: str, total: int) -> list[tuple[int, float]]:
    """Read a metric's course from the training's logs.

    Args:
        folder: The work folder.
        name: Name of the training.
        metric: Name of the metric.
        total: The training's number of steps.

    Returns:
        Iteration and value, rising; of values for one iteration the last.
    """
    iteration, curve = 0, {}
    with (folder / f'{name}.log').open(encoding='utf-8') as file:
        for line in file:
            if found := _ITERATION.search(line):
                iteration = int(found[1].replace(',', ''))
            elif _END in line:
                iteration = total
            elif (found := _METRIC.search(line)) and found[1] == metric and iteration:
                curve[iteration] = float(found[2])
    return sorted(curve.items())
