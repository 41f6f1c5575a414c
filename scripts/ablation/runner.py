"""Doing the runs: each in a process of its own, several at once; finished runs are never repeated."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ablation.figures import read_report
from ablation.runs import Record, Run, read_records, record_file

from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.stop_signal import Interruption

REPOSITORY = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.2
_TAIL = 12


def command(run: Run) -> list[str]:
    """The command of a run, as one could type it in the working folder."""
    what = ['-opt', f'{run.setting.file.resolve()}:{run.setting.name}', '--force_yml', *run.changes]
    if run.setting.trains:
        return [sys.executable, '-m', 'amsnet_basicsr.train', '--auto_resume', *what]
    return [sys.executable, str(REPOSITORY / 'scripts' / 'compare_refinements.py'), *what]


@dataclass
class Runner:
    """Does runs.

    Attributes:
        root: The working folder, with the data sets.
        folder: Where records and logs go.
        jobs: Most runs at once; with more than one, each gets one thread.
        say: Takes a line for the user.
        failed: Labels of the runs that failed, or could not start because one did.
    """

    root: Path
    folder: Path
    jobs: int = 1
    say: Callable[[str], None] = lambda line: print(line, flush=True)
    failed: list[str] = field(default_factory=list)
    _active: list[tuple[Run, subprocess.Popen[bytes]]] = field(default_factory=list)

    def do(self, runs: Sequence[Run]) -> None:
        """Do all runs that are not finished, each after the one that it needs.

        Raises:
            KeyboardInterrupt: After Ctrl-C or SIGTERM, when the children have saved their state.
            ValueError: If a record is of other options, or another process does these runs.
        """
        with exclusive_lock(self.folder), Interruption() as interruption:
            try:
                self._do(runs, interruption)
            except KeyboardInterrupt:
                self._stop()
                raise

    def _do(self, runs: Sequence[Run], interruption: Interruption) -> None:
        done = {label for label, record in read_records(self.folder, runs).items() if record.figures}
        waiting = deque(run for run in runs if run.label not in done)
        total, number = len(waiting), 0
        if len(runs) > total:
            self.say(f'{len(runs) - total} of {len(runs)} runs are finished already')
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
            time.sleep(_POLL_SECONDS)
            done |= self._collect()
            for run in [run for run in waiting if run.start and run.start.label in self.failed]:
                waiting.remove(run)
                self.failed.append(run.label)
                self.say(f'{run.label} is left out: it needs the weights of {run.start.label}')

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
                command(run), cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._active.append((run, process))

    def _collect(self) -> set[str]:
        """Record the runs that have ended; return the labels of those that succeeded."""
        finished = set()
        for run, process in list(self._active):
            if process.poll() is None:
                continue
            self._active.remove((run, process))
            problem = self._record(run) if process.returncode == 0 else f'exit status {process.returncode}'
            if problem is None:
                finished.add(run.label)
            else:
                self.failed.append(run.label)
                tail = self._log(run).read_text(encoding='utf-8', errors='replace').splitlines()[-_TAIL:]
                self.say(f'{run.label} failed ({problem}); the end of {self._log(run)}:')
                self.say('\n'.join(f'    {line}' for line in tail))
        return finished

    def _record(self, run: Run) -> str | None:
        """Put a run's report into its record; return what is wrong with it."""
        report = self.root / run.report
        try:
            figures = read_report(report.read_text(encoding='utf-8'))
        except (OSError, ValueError) as error:
            return f'{report}: {error}'
        Record(run.setting.name, run.seed, run.options, figures).write(record_file(self.folder, run))
        return None

    def _stop(self) -> None:
        """Let the children save their state, and wait for them."""
        if not self._active:
            return
        self.say('stopping; the running ones save their state (again Ctrl-C: at once)')
        for _, process in self._active:
            process.send_signal(signal.SIGTERM)  # not SIGINT, which children of nohup ignore
        try:
            for _, process in self._active:
                process.wait()
        except KeyboardInterrupt:
            for _, process in self._active:
                process.kill()
                process.wait()
