"""Run BasicSR's training in a subprocess, and resume it after a kill."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from amsnet_basicsr.resume.states import newest_intact
from amsnet_basicsr.utils.errors import UserError

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
    """Train by `NAME.yml`, from the last intact checkpoint on if there is one.

    Output goes to `NAME.log`. The training ends with this process.

    Args:
        folder: The work folder.
        name: Name of the training.
        total: Its number of steps.
        on_step: Told the iteration and the loss now and then.
        on_validation: Told the iteration and the metric after each validation.
    """
    experiment = folder / 'experiments' / name
    if newest_intact(experiment / 'training_states', ['net_g'])[0] is None:
        shutil.rmtree(experiment, ignore_errors=True)  # of a kill before the first checkpoint; else it is put aside
    command = [sys.executable, '-m', 'amsnet_basicsr.fit.train_subprocess', '-opt', f'{name}.yml', '--auto_resume']
    # The child finds this package where this process did, whatever folder it is run in.
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {'PYTHONUNBUFFERED': '1', 'PYTHONIOENCODING': 'utf-8', 'PYTHONPATH': os.pathsep.join(paths)}
    log = folder / f'{name}.log'
    # In a session of its own: Ctrl-C reaches this process alone, which ends the training by closing the pipe.
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding='utf-8', errors='replace', start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    validated, last = -1, ''

    def lines() -> Iterator[str]:
        nonlocal last
        with log.open('a', buffering=1, encoding='utf-8') as file:
            for line in process.stdout or ():
                file.write(line)
                last = line.strip() or last
                yield line

    try:
        for iteration, figure, value in _figures(lines(), total):
            if figure == 'loss':
                on_step(iteration, value)
            elif iteration != validated:  # BasicSR repeats the last one
                validated = iteration
                on_validation(iteration, value)
                _prune(experiment)
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
        raise UserError(f'the training of the {name} failed (exit code {code}): {last}; all of it is in {log}')


def _prune(experiment: Path) -> None:
    """Remove all checkpoints but the newest ones."""
    states = sorted((experiment / 'training_states').glob('*.state'), key=lambda path: -int(path.stem))
    for state in states[_KEPT_STATES:]:
        state.unlink(missing_ok=True)
        (experiment / 'models' / f'net_g_{state.stem}.pth').unlink(missing_ok=True)


def validation_curve(folder: Path, name: str, metric: str, total: int) -> list[tuple[int, float]]:
    """Read a metric's course from a training's log: iteration and the last value for it, rising."""
    with (folder / f'{name}.log').open(encoding='utf-8') as file:
        curve = {iteration: value for iteration, found, value in _figures(file, total) if found == metric}
    return sorted(curve.items())


def _figures(lines: Iterable[str], total: int) -> Iterator[tuple[int, str, float]]:
    """Take from the lines of a log what they report: iteration, `loss` or the name of a metric, value."""
    iteration = 0
    for line in lines:
        if found := _ITERATION.search(line):
            iteration = int(found[1].replace(',', ''))
            yield iteration, 'loss', float(found[2])
        elif _END in line:
            iteration = total
        elif iteration and (found := _METRIC.search(line)):
            yield iteration, found[1], float(found[2])
