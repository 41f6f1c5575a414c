"""Stopping at a place where nothing is half done."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Keeps Ctrl-C, or a polite kill, until `check` is called; a second one acts at once.

    Python would raise within whatever runs: within a callback of a C library, which may swallow it, or between a file's
    writing and its counting. A context manager; elsewhere than in the main thread, where signals don't arrive, it does
    nothing.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The signal that asked, if one did."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> 'Interruption':
        """Take over the signals, but for those that are ignored, as by nohup."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                before = signal.getsignal(number)
                if before in (signal.default_int_handler, signal.SIG_DFL):
                    self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Stop here if that was asked for.

        Raises:
            KeyboardInterrupt: If so.
        """
        if self.signal is not None:
            raise KeyboardInterrupt

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
