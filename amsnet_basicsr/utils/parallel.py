"""Process many items in threads, with few of them in memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None, ahead: int = 1
) -> Iterator[Result]:
    """Apply a function in threads and yield the results in order.

    `Executor.map` takes all items at once before Python 3.14; here at most `workers + ahead` are in work or waiting.

    Args:
        function: What to do with an item. OpenCV and zlib release Python's lock while they work.
        items: The items, taken one by one.
        workers: Number of threads; None for one per core.
        ahead: How many results may wait beyond one per thread.

    Yields:
        The results. An exception of the function is raised when its item's turn comes, and later items are dropped.
    """
    workers = workers or available_cores()
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                if len(pending) >= workers + ahead:
                    yield pending.popleft().result()
                pending.append(pool.submit(function, item))
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


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
