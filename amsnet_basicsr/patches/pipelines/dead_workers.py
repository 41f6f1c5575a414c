"""A data worker that dies (killed, out of memory) stops training between two steps, where a state can be saved."""

import signal
import threading
from collections.abc import Callable
from typing import Any

from amsnet_basicsr.resume.run import TrainingRun, TrainingStopped
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line


class WatchedPrefetcher:
    """One of BasicSR's prefetchers, made by `make`, that tells a run about each batch and about dead workers."""

    def __init__(self, run: TrainingRun, make: Callable[..., Any], *arguments: Any) -> None:
        self._run, self._prefetcher = run, make(*arguments)
        _leave_dead_workers_to_the_loader()

    def reset(self) -> None:
        """Begin an epoch."""
        self._prefetcher.reset()
        _leave_dead_workers_to_the_loader()

    def next(self) -> dict[str, Any] | None:
        """Return the next batch, None at the end of an epoch."""
        self._run.before_batch()
        try:
            batch = self._prefetcher.next()
        except UserError as error:  # with a traceback, if it is from a worker
            raise UserError(str(error).rstrip().rpartition('UserError: ')[2]) from None
        except (RuntimeError, OSError, EOFError) as error:  # the last two from a pipe that nobody writes to
            if isinstance(error, RuntimeError) and 'DataLoader worker' not in str(error):
                raise
            raise TrainingStopped(
                f'a data worker died ({one_line(error)}), which a full memory may cause: '
                'try a smaller num_worker_per_gpu'
            ) from error
        self._run.after_batch(batch)
        return batch


def _leave_dead_workers_to_the_loader() -> None:
    """Take back PyTorch's handler of SIGCHLD, which raises in the middle of a step.

    The loader looks after its workers itself when it waits for a batch.
    """
    if hasattr(signal, 'SIGCHLD') and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
