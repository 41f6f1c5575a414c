"""Run BasicSR's training in a subprocess, and resume it after a kill."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
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

    Output goes to `NAME.log`. `on_step` is told the iteration and the loss now and then, `on_validation` the iteration
    and the metric. The training ends with this process.
    """
    experiment = folder / 'experiments' / name
    if newest_intact(experiment / 'training_states', ['net_g'])[0] is None:
        shutil.rmtree(experiment, ignore_errors=True)  # of a kill before the first checkpoint; else it is put aside
    command = [sys.executable, '-m', 'amsnet_basicsr.fit.training.child', '-opt', f'{name}.yml', '--auto_resume']
    # The child finds this package where this process did, whatever folder it is run in.
    paths = [str(Path(__file__).resolve().parents[3]), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {'PYTHONUNBUFFERED': '1', 'PYTHONIOENCODING': 'utf-8', 'PYTHONPATH': os.pathsep.join(paths)}
    validated, last = -1, ''

    def read(lines: Iterable[str]) -> Iterator[str]:
        nonlocal last
        with (folder / f'{name}.log').open('a', buffering=1, encoding='utf-8') as log:
            for line in lines:
                log.write(line)
                last = line.strip() or last
                yield line

    # In a session of its own: Ctrl-C reaches only this process, which then ends the training.
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding='utf-8', errors='replace', start_new_session=True,
    ) as process:  # fmt: skip
        try:
            for iteration, loss, metric in _figures(read(process.stdout or ()), total):
                if loss is not None:
                    on_step(iteration, loss)
                if metric is not None and iteration != validated:  # BasicSR repeats the last one
                    validated = iteration
                    on_validation(iteration, metric)
                    _prune(experiment)
            process.wait()  # before its input is closed, which would end it
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise UserError(
            f'the training of the {name} failed (exit code {process.returncode}): {last}; all of it is in '
            f'{folder / name}.log'
        )


def _prune(experiment: Path) -> None:
    """Remove all checkpoints but the newest ones."""
    states = sorted((experiment / 'training_states').glob('*.state'), key=lambda path: -int(path.stem))
    for state in states[_KEPT_STATES:]:
        state.unlink(missing_ok=True)
        (experiment / 'models' / f'net_g_{state.stem}.pth').unlink(missing_ok=True)


def _figures(lines: Iterable[str], total: int) -> Iterator[tuple[int, float | None, float | None]]:
    """Parse a training's output: iteration, and the loss or the metric of a validation."""
    iteration = 0
    for line in lines:
        if found := _ITERATION.search(line):
            iteration = int(found[1].replace(',', ''))
            yield iteration, float(found[2]), None
        elif _END in line:
            iteration = total
        elif iteration and (found := _METRIC.search(line)):
            yield iteration, None, float(found[2])
