"""TensorBoard: a full disk must not end a training."""

from collections.abc import Callable
from typing import Any

from basicsr.utils import get_root_logger


class TolerantWriter:
    """A writer that warns at the first `OSError` and writes no more, while training continues."""

    def __init__(self, writer: Any, warn: Callable[[str], None]) -> None:
        self._writer, self._warn = writer, warn

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> None:
            if self._writer is not None:
                try:
                    getattr(self._writer, name)(*args, **kwargs)
                except OSError as error:
                    self._writer = None
                    self._warn(f'TensorBoard: {error}; training continues without it')

        return call


def open_tensorboard(make: Callable[[], Any]) -> Any:
    """Make a tolerant writer of BasicSR's, which is None where the options want none."""
    warn = get_root_logger().warning
    try:
        writer = make()
    except OSError as error:
        warn(f'TensorBoard: {error}; training continues without it')
        return TolerantWriter(None, warn)
    return writer and TolerantWriter(writer, warn)
