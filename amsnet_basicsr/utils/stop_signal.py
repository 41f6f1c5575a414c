"""Stop at a safe point after Ctrl-C or SIGTERM."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Defer Ctrl-C or SIGTERM until `check` is called; a second one acts at once.

    Python would raise within whatever runs: within a callback of a C library, which may swallow it, or between a file's
    writing and its counting. A context manager; elsewhere than in the main thread, where signals don't arrive, it does
    nothing.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The signal received, if any."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> 'Interruption':
        """Take over the signals, except ignored ones (nohup)."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                before = signal.getsignal(number)
                if before in (signal.default_int_handler, signal.SIG_DFL):
                    self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the signal handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Stop here, by a `KeyboardInterrupt`, if a signal was received."""
        if self.signal is not None:
            raise KeyboardInterrupt

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
