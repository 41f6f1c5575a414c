"""Work in threads behind the network: a bounded number of images is finished while the next ones are denoised."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from amsnet_basicsr.utils.parallel import available_cores

Result = TypeVar('Result')


class Behind(Generic[Result]):
    """Does work in threads and returns the results in the order in which it was handed over.

    A context manager: leaving it waits for what is under way. Each method raises what earlier work raised.

    Args:
        most: How much work may be unfinished before handing over more waits.
    """

    def __init__(self, most: int) -> None:
        """Start no thread yet."""
        self._most = most
        self._pool = ThreadPoolExecutor(min(most, available_cores()), 'behind')
        self._pending: deque[Future[Result]] = deque()

    def __enter__(self) -> 'Behind[Result]':
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for what was handed over; its results are lost."""
        self._pool.shutdown()

    def hand_over(self, work: Callable[..., Result], *arguments: Any) -> None:
        """Have some work done."""
        self._pending.append(self._pool.submit(work, *arguments))
        if len(self._pending) > self._most:
            self._pending[-self._most - 1].result()

    def finished(self, wait: bool = False) -> list[Result]:
        """Take the results that are there, up to the first that is not; or wait for all."""
        results = []
        while self._pending and (wait or self._pending[0].done()):
            results.append(self._pending.popleft().result())
        return results
