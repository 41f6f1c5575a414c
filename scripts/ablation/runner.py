"""Doing the runs: each in a process of its own, several at once, what is finished never again."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ablation.results import Record, difference, read_report
from ablation.settings import Run
from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.stop_signal import Interruption

REPOSITORY = Path(__file__).resolve().parents[2]
_LOOK_EVERY = 0.2
_TAIL = 12


def record_file(folder: Path, run: Run) -> Path:
    """Name the file of a run's record.

    Args:
        folder: Of the ablation's results.
        run: The run.
    """
    return folder / 'runs' / f'{run.label}.json'


def seeds_of_records(folder: Path) -> list[int]:
    """List the seeds that there are records of.

    Args:
        folder: Of the ablation's results.

    Returns:
        The seeds, sorted.
    """
    found = (re.search(r'_seed(\d+)$', path.stem) for path in (folder / 'runs').glob('*.json'))
    return sorted({int(match[1]) for match in found if match})


def read_records(folder: Path, runs: Sequence[Run]) -> dict[str, Record]:
    """Read the records that there are, and make sure that they are of these very settings.

    Args:
        folder: Of the ablation's results.
        runs: The runs.

    Returns:
        The records by label.

    Raises:
        ValueError: If one was done with other options.
    """
    records = {}
    for run in runs:
        record = Record.read(record_file(folder, run))
        if record is not None:
            changed = difference(record.options, run.options)
            if changed:
                raise ValueError(
                    f'{run.setting.file}: {changed} is no longer what {record_file(folder, run)} was made with; delete '
                    f'that and {run.experiment} in experiments/, or name another --root'
                )
            records[run.label] = record
    return records


@dataclass
class Runner:
    """Does runs.

    Attributes:
        root: The working folder, with the data sets.
        folder: Where records and logs go.
        jobs: Most runs at once; with more than one, each gets one thread.
        say: Takes a line for the user.
        failed: Labels of the runs that failed, or couldn't begin because one did.
    """

    root: Path
    folder: Path
    jobs: int = 1
    say: Callable[[str], None] = lambda line: print(line, flush=True)
    failed: list[str] = field(default_factory=list)
    _active: list[tuple[Run, subprocess.Popen]] = field(default_factory=list)

    def do(self, runs: Sequence[Run]) -> None:
        """Do all runs that aren't finished; the others stay as they are.

        Args:
            runs: The runs, each after the one that it needs.

        Raises:
            KeyboardInterrupt: After Ctrl-C or a polite kill, when the children have saved where they are.
            ValueError: If a record is of other options, see `read_records`.
            PrepareError: If another process does these runs.
        """
        with exclusive_lock(self.folder), Interruption() as interruption:
            self._do(runs, interruption)

    def _do(self, runs: Sequence[Run], interruption: Interruption) -> None:
        done = {label for label, record in read_records(self.folder, runs).items() if record.figures}
        waiting = deque(run for run in runs if run.label not in done)
        total, number = len(waiting), 0
        if len(runs) > total:
            self.say(f'{len(runs) - total} of {len(runs)} runs are finished already')
        try:
            while waiting or self._active:
                interruption.check()
                while waiting and len(self._active) < self.jobs:
                    run = next((run for run in waiting if run.start is None or run.start.label in done), None)
                    if run is None:
                        break
                    waiting.remove(run)
                    number += 1
                    self.say(f'{time.strftime("%H:%M:%S")} run {number} of {total}: {run.label}')
                    self._begin(run)
                time.sleep(_LOOK_EVERY)
                done |= self._look()
                for run in [run for run in waiting if run.start and run.start.label in self.failed]:
                    waiting.remove(run)
                    self.failed.append(run.label)
                    self.say(f'{run.label} is left out: it needs the weights of {run.start.label}')
        except KeyboardInterrupt:
            self._stop()
            raise

    def command(self, run: Run) -> list[str]:
        """Write the command of a run, as one could type it in the working folder.

        Args:
            run: The run.
        """
        file = ['-opt', str(run.setting.file.resolve())]
        if run.setting.trains:
            return [sys.executable, '-m', 'amsnet_basicsr.train', *file, '--auto_resume', '--force_yml', *run.changes]
        script = REPOSITORY / 'scripts' / 'compare_refinements.py'
        return [sys.executable, str(script), *file, '--force_yml', *run.changes]

    def _log(self, run: Run) -> Path:
        return self.folder / 'runs' / f'{run.label}.log'

    def _begin(self, run: Run) -> None:
        Record(run.setting.name, run.seed, run.options).write(record_file(self.folder, run))
        # A test's old report must not pass for the new one.
        (self.root / run.report).unlink(missing_ok=True)
        environment = dict(os.environ, PYTHONUNBUFFERED='1')
        # Scripts and package belong together, whichever package is installed.
        environment['PYTHONPATH'] = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get('PYTHONPATH')]))
        if self.jobs > 1:
            environment['OMP_NUM_THREADS'] = '1'
        with self._log(run).open('ab') as log:
            # In a session of its own, so that Ctrl-C reaches it once, from here: a second one would stop it at once.
            process = subprocess.Popen(
                self.command(run), cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._active.append((run, process))

    def _look(self) -> set[str]:
        """Take in the runs that have ended; return the labels of those that are finished."""
        finished = set()
        for run, process in list(self._active):
            if process.poll() is None:
                continue
            self._active.remove((run, process))
            problem = self._take_in(run) if process.returncode == 0 else f'exit status {process.returncode}'
            if problem is None:
                finished.add(run.label)
            else:
                self.failed.append(run.label)
                tail = self._log(run).read_text(encoding='utf-8', errors='replace').splitlines()[-_TAIL:]
                self.say(f'{run.label} failed ({problem}); the end of {self._log(run)}:')
                self.say('\n'.join(f'    {line}' for line in tail))
        return finished

    def _take_in(self, run: Run) -> str | None:
        """Put a run's report into its record; return what is wrong with it."""
        report = self.root / run.report
        try:
            figures = read_report(report.read_text(encoding='utf-8'))
        except (OSError, ValueError) as error:
            return f'{report}: {error}'
        Record(run.setting.name, run.seed, run.options, figures).write(record_file(self.folder, run))
        return None

    def _stop(self) -> None:
        """Let the children save where they are, and wait for them."""
        if not self._active:
            return
        self.say('stopping; the running ones save where they are (again Ctrl-C: at once)')
        for _, process in self._active:
            process.send_signal(signal.SIGTERM)  # not SIGINT, which children of nohup ignore
        try:
            for _, process in self._active:
                process.wait()
        except KeyboardInterrupt:
            for _, process in self._active:
                process.kill()
                process.wait()
