"""Run BasicSR's training in a subprocess, and resume it after a kill."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from amsnet_basicsr.resume.states import is_intact, newest_intact
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

    Raises:
        UserError: If it fails.
    """
    drop_torn(folder / 'experiments' / name)
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
                    _prune(folder / 'experiments' / name)
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


def drop_torn(experiment: Path) -> None:
    """Remove what a kill left half written, where a resumed training would stumble over it."""
    best = [experiment / 'models' / f'net_g_best.{suffix}' for suffix in ('pth', 'json')]
    if not (is_intact(best[0]) and _is_json(best[1])):  # the next validation writes them
        for path in best:
            path.unlink(missing_ok=True)
    if newest_intact(experiment / 'training_states', ['net_g'])[0] is None and experiment.exists():
        shutil.rmtree(experiment)  # else BasicSR would put it aside


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _prune(experiment: Path) -> None:
    """Remove all checkpoints but the newest ones."""
    states = sorted((experiment / 'training_states').glob('*.state'), key=lambda path: -int(path.stem))
    for state in states[_KEPT_STATES:]:
        state.unlink(missing_ok=True)
        (experiment / 'models' / f'net_g_{state.stem}.pth').unlink(missing_ok=True)


def validation_curve(folder: Path, name: str, metric: str, total: int) -> list[tuple[int, float]]:
    """Read a metric's course from a training's log: iteration and the last value for it, rising."""
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
