"""Run BasicSR's training in a subprocess, and resume it after a kill."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from amsnet_basicsr.resume.states import newest_intact
from amsnet_basicsr.utils.errors import UserError

_ITERATION = re.compile(r'iter:\s*([\d,]+),.*?(?:l_\w+: ([\d.e+-]+))')
_METRIC = re.compile(r'# (\w+): ([\d.]+)')
_END = 'End of training'
_KEPT_STATES = 2


def run_training(folder: Path, name: str, total: int) -> Generator[tuple[int, str, float], None, None]:
    """Train by `NAME.yml`, from the last intact checkpoint on if there is one; the output goes to `NAME.log`.

    Yields the iteration, 'loss' (now and then) or 'metric' (of a validation), and its value. The training ends with
    this process.
    """
    experiment = folder / 'experiments' / name
    if newest_intact(experiment / 'training_states', ['net_g'])[0] is None:
        shutil.rmtree(experiment, ignore_errors=True)  # of a kill before the first checkpoint; else it is put aside
    command = [sys.executable, '-m', 'amsnet_basicsr.fit.training.child', '-opt', f'{name}.yml', '--auto_resume']
    # The child finds this package where this process did, whatever folder it is run in.
    paths = [str(Path(__file__).resolve().parents[3]), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {'PYTHONUNBUFFERED': '1', 'PYTHONIOENCODING': 'utf-8', 'PYTHONPATH': os.pathsep.join(paths)}
    iteration, validated, last = 0, -1, ''
    # In a session of its own: Ctrl-C reaches only this process, which then ends the training.
    with (folder / f'{name}.log').open('a', buffering=1, encoding='utf-8') as log, subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding='utf-8', errors='replace', start_new_session=True,
    ) as process:  # fmt: skip
        try:
            for line in process.stdout or ():
                log.write(line)
                last = line.strip() or last
                if found := _ITERATION.search(line):
                    iteration = int(found[1].replace(',', ''))
                    yield iteration, 'loss', float(found[2])
                elif _END in line:
                    iteration = total
                elif iteration and (found := _METRIC.search(line)) and iteration != validated:  # the last is repeated
                    validated = iteration
                    yield iteration, 'metric', float(found[2])
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
