"""How a command begins: Ctrl-C ends it quietly, and output that fails never stops its work."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

from amsnet_basicsr.utils.text import discard_output


class _Output:
    """A stream whose failures are dropped: a full device or a closed pipe; progress bars and `print` raise them."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream or open(os.devnull, 'w', encoding='utf-8')  # noqa: SIM115 (None if it was closed)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            discard_output(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            discard_output(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def tolerant_output() -> Iterator[None]:
    """Drop output that cannot be written, as long as this lasts."""
    with redirect_stdout(_Output(sys.stdout)), redirect_stderr(_Output(sys.stderr)):
        yield


def begin_command() -> None:
    """Let Ctrl-C end the process as SIGTERM does, with no traceback, and drop output that cannot be written.

    A shell sees exit codes 130 and 143. A command with something to save catches signals by an `Interruption`.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else nohup ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stdout, sys.stderr = _Output(sys.stdout), _Output(sys.stderr)  # type: ignore[assignment]
