"""How a command begins: Ctrl-C ends it quietly, and output that fails never stops its work."""

import os
import signal
import sys
from typing import Any, TextIO

from amsnet_basicsr.utils.text import discard_output


class _Output:
    """A stream whose failures are dropped: a full device or a closed pipe; progress bars and `print` raise them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

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


def begin_command() -> None:
    """Let Ctrl-C end the process as SIGTERM does, with no traceback, and drop output that cannot be written.

    A shell sees exit codes 130 and 143. A command with something to save catches signals by an `Interruption`.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else nohup ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name in ('stdout', 'stderr'):
        stream = getattr(sys, name) or open(os.devnull, 'w', encoding='utf-8')  # noqa: SIM115 (None if it was closed)
        setattr(sys, name, _Output(stream))
