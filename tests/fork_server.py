"""Runs Python commands in forks of one process that has loaded PyTorch, BasicSR and the plugin: loading costs once.

What tests in which order ours and BasicSR's modules are imported has forks of a process that has loaded libraries only.
What needs a fresh interpreter (an installation, a locale, spawned workers) uses `subprocess` instead.
`python -m tests.fork_server` is the process that forks. It reads one request a line, as JSON, and answers with a line.
"""

import gc
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

REPOSITORY = Path(__file__).resolve().parent.parent
ENVIRONMENT = {'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore', 'PYTHONPATH': str(REPOSITORY)}


_LIBRARIES = (
    'torch', 'torchvision', 'torch.utils.tensorboard', 'scipy.stats', 'skimage', 'cv2', 'lmdb', 'requests', 'pydantic',
)  # fmt: skip
_EVENTS = frozenset({'open', 'os.link', 'os.mkdir', 'os.rename', 'os.scandir', 'print'})


def no_waiting_for_the_disk() -> None:
    """Files outlive a killed process without `fsync`; it is for the power that fails, which no test lets happen."""
    os.fsync = lambda _: None


class ForkServer:
    """The side of the tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'tests.fork_server'], cwd=REPOSITORY, env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        self._answer()  # it is ready
        self._bare: set[int] = set()

    def _answer(self) -> int:
        line = self._process.stdout.readline()
        assert line, 'the process that forks has ended'
        return int(line)

    def _ask(self, **request: Any) -> int:
        print(json.dumps(request), file=self._process.stdin)
        return self._answer()

    def start(
        self,
        *arguments: object,
        cwd: Path,
        stdout: Path,
        stderr: Path,
        file_size_limit: int | None = None,
        signal_at: tuple[int, str, int] | None = None,
        bare: bool = False,
        **env: str,
    ) -> int:
        """Start `python ARGUMENTS`; returns its process id. What it prints is appended to the files.

        With `signal_at` (a signal, a text, n), it sends itself the signal when it prints the text, or opens, makes,
        lists, links or renames a file whose path has it, for the nth time: at that moment, however fast the machine is.
        A `bare` one has only libraries loaded, nothing of BasicSR and of ours.
        """
        child = self._ask(
            arguments=list(map(str, arguments)), cwd=str(cwd), streams=[str(stdout), str(stderr)],
            file_size_limit=file_size_limit, signal_at=signal_at, env=env, bare=bare,
        )  # fmt: skip
        if bare:
            self._bare.add(child)
        return child

    def wait(self, child: int) -> int:
        """Wait for the end of a process that was started; returns its exit code, negative after a signal."""
        return self._ask(wait=child, bare=child in self._bare)

    def run(self, *arguments: object, cwd: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run `python ARGUMENTS` to its end."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / 'out', Path(folder) / 'err'
            code = self.wait(self.start(*arguments, cwd=cwd, stdout=out, stderr=err, **settings))
            printed = [file.read_text(encoding='utf-8', errors='replace') for file in (out, err)]
        return subprocess.CompletedProcess(arguments, code, *printed)

    def run_in_two(self, function: Callable[[int, str], None], folder: Path) -> None:
        """Call a test module's `function(rank, folder)` in two processes at once."""
        call = (
            f'from {function.__module__} import {function.__name__} as f; import sys; f(int(sys.argv[1]), sys.argv[2])'
        )
        log = folder / 'processes.log'
        children = [self.start('-c', call, rank, folder, cwd=REPOSITORY, stdout=log, stderr=log) for rank in range(2)]
        assert [self.wait(child) for child in children] == [0, 0], log.read_text()[-8000:]

    def killed(self, *arguments: object, cwd: Path, when: str, count: int = 1) -> str:
        """Run `python ARGUMENTS` until it kills itself at `when`, see `start`; returns what it printed."""
        log = cwd / 'killed.log'
        child = self.start(*arguments, cwd=cwd, stdout=log, stderr=log, signal_at=(signal.SIGKILL, when, count))
        assert self.wait(child) == -signal.SIGKILL, log.read_text()[-3000:]
        said = log.read_text()
        log.unlink()
        return said

    def close(self) -> None:
        """End the server."""
        self._process.stdin.close()
        self._process.wait(30)


def _send_itself(number: int, text: str, count: int) -> None:
    """In a forked process: send it a signal when it does something for the `count`th time, see `ForkServer.start`."""
    done = 0

    def look(event: str, arguments: tuple) -> None:
        nonlocal done
        if event in _EVENTS and any(text in str(argument) for argument in arguments[:2]):
            done += 1
            if done == count:
                os.kill(os.getpid(), number)

    def look_at(stream: TextIO) -> None:
        write = stream.write

        def write_and_look(told: str) -> int:
            length = write(told)
            stream.flush()
            look('print', (told,))
            return length

        stream.write = write_and_look

    look_at(sys.stdout)
    look_at(sys.stderr)
    sys.addaudithook(look)


def _become(
    arguments: list[str], cwd: str, streams: list[str], file_size_limit: int | None, signal_at: list | None, env: dict
) -> None:
    """In a forked process: do what `python ARGUMENTS` does."""
    import resource
    import runpy

    os.chdir(cwd)
    os.environ.update(env)
    for number, path in enumerate([os.devnull, *streams]):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT if number else os.O_RDONLY
        os.dup2(os.open(path, flags, 0o600), number)
    if file_size_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_limit, resource.RLIM_INFINITY))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal_at:
        _send_itself(*signal_at)
    first, *others = arguments
    if first == '-m':
        sys.argv, sys.path[0] = others, cwd
        runpy.run_module(others[0], run_name='__main__', alter_sys=True)
    elif first == '-c':
        sys.argv, sys.path[0] = ['-c', *others[1:]], cwd
        exec(compile(others[0], '<string>', 'exec'), {'__name__': '__main__'})
    else:
        sys.argv, sys.path[0] = arguments, str(Path(first).resolve().parent)
        runpy.run_path(first, run_name='__main__')


def _exit_code(request: dict) -> int:
    """In a forked process: run the command and what Python does at exit.

    The interpreter is not taken down: with the threads of gloo, that may wait forever in a forked process.
    """
    import atexit
    import threading
    import traceback

    code = 0
    try:
        _become(**request)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return 120  # as Python's own
    return code


def _serve(requests: TextIO, answers: TextIO, to_bare: TextIO | None = None, from_bare: TextIO | None = None) -> None:
    """Answer requests until there are no more; those for bare processes are passed on."""
    no_waiting_for_the_disk()
    gc.collect()
    gc.freeze()  # else the collections of each command would copy the pages that it shares with this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in requests:
        request = json.loads(line)
        if request.pop('bare') and to_bare:
            print(line, end='', file=to_bare, flush=True)
            answer = int(from_bare.readline())
        elif 'wait' in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request['wait'], 0)[1])
        elif (answer := os.fork()) == 0:
            os._exit(_exit_code(request))
        print(answer, file=answers, flush=True)
    os._exit(0)  # it has nothing to tidy up, which would take seconds


def _load_what_training_loads() -> None:
    from amsnet_basicsr import options, patches, plugin, resume  # noqa: F401 (the plugin makes BasicSR importable)

    for name in ('basicsr.train', 'basicsr.test'):
        import_module(name)
    for room in (options, patches, resume):
        for module in pkgutil.walk_packages(room.__path__, f'{room.__name__}.'):
            import_module(module.name)


def _main() -> None:
    for name in _LIBRARIES:
        import_module(name)
    (read_request, write_request), (read_answer, write_answer) = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(write_request)
        _serve(os.fdopen(read_request), os.fdopen(write_answer, 'w'))
    os.close(read_request)
    _load_what_training_loads()
    print(0, flush=True)
    _serve(sys.stdin, sys.stdout, os.fdopen(write_request, 'w'), os.fdopen(read_answer))


if __name__ == '__main__':
    _main()
