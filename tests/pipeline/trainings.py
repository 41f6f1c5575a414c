"""Runs trainings in forked processes, so that many restarts cost the loading of PyTorch once.

Called as `python -m tests.pipeline.trainings`, it reads one command a line from its input: the folder to run in and the
arguments of `amsnet_basicsr.train`, as JSON. To each it answers with the process id, and with the exit code at its end.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path


class Trainings:
    """Starts trainings in `folder`, one at a time."""

    def __init__(self) -> None:
        self.folder = Path()
        environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore'}
        self._server = subprocess.Popen(
            [sys.executable, '-m', 'tests.pipeline.trainings'], text=True, bufsize=1, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip
        self._server.stdout.readline()  # it is ready

    @property
    def log(self) -> Path:
        """Where the output goes."""
        return self.folder / 'trainings.log'

    def start(self, *arguments: object, file_size_limit: int | None = None) -> int:
        """Start a training; returns its process id. Its output is appended to `log`."""
        command = {'folder': str(self.folder), 'log': str(self.log), 'limit': file_size_limit}
        print(json.dumps({**command, 'arguments': list(map(str, arguments))}), file=self._server.stdin)
        return int(self._server.stdout.readline())

    def wait(self) -> int:
        """Wait for the end of the training; returns its exit code, negative after a signal."""
        return int(self._server.stdout.readline())

    def run(self, *arguments: object, file_size_limit: int | None = None) -> str:
        """Run a training to its end; returns what it printed and its exit code in a last line."""
        before = len(self.output())
        self.start(*arguments, file_size_limit=file_size_limit)
        code = self.wait()
        return f'{self.output()[before:]}\nexit code {code}'

    def output(self) -> str:
        """All output so far."""
        return self.log.read_text() if self.log.exists() else ''

    def close(self) -> None:
        """End the server."""
        self._server.stdin.close()
        self._server.wait(30)


def _train(command: dict) -> int:
    """In a forked process: train, and return the exit code."""
    import resource

    from amsnet_basicsr.train import train

    os.chdir(command['folder'])
    descriptor = os.open(command['log'], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    if command['limit'] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (command['limit'], resource.RLIM_INFINITY))
    # The launcher's own signal handling is what is tested; Python ignores nothing but the file size limit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ['train.py', *command['arguments']]
    try:
        train(os.getcwd())
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    from amsnet_basicsr import plugin  # noqa: F401

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print('ready', flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = _train(json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == '__main__':
    main()
