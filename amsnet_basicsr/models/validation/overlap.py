"""Work beside the network: images are read ahead and finished behind, in threads that hold a bounded number of them."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')

_END: Any = object()


def read_ahead(items: Iterator[Item], most: int) -> Iterator[Item]:
    """Read from an iterator in a thread, so that the next items are there when they are asked for.

    Close it (`contextlib.closing`) to end the thread before the items do.

    Args:
        items: What to read from; asked by one thread at a time.
        most: How many items are read before they are asked for.

    Yields:
        The items, in order.

    Raises:
        Exception: What reading an item raises, where the item would have come.
    """
    with ThreadPoolExecutor(1, 'read-ahead') as pool:
        pending = deque(pool.submit(next, items, _END) for _ in range(most))
        try:
            while (item := pending.popleft().result()) is not _END:
                pending.append(pool.submit(next, items, _END))
                yield item
        finally:
            for future in pending:
                future.cancel()


class Behind(Generic[Result]):
    """Does work in threads, and gives the results back in the order in which it was handed over.

    A context manager: leaving it waits for what is under way.

    Args:
        most: How much work may be unfinished before handing over more waits.
    """

    def __init__(self, most: int) -> None:
        """Start no thread yet."""
        self._most = most
        self._pool = ThreadPoolExecutor(min(most, os.cpu_count() or 1), 'behind')
        self._pending: deque[Future[Result]] = deque()
        self._results: list[Result] = []

    def __enter__(self) -> 'Behind[Result]':
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for what was handed over; its results are lost."""
        self._pool.shutdown()

    def hand_over(self, work: Callable[..., Result], *arguments: Any) -> None:
        """Have some work done.

        Args:
            work: The work.
            *arguments: Its arguments.

        Raises:
            Exception: What earlier work raised.
        """
        self._pending.append(self._pool.submit(work, *arguments))
        while len(self._pending) > self._most:
            self._results.append(self._pending.popleft().result())

    def finished(self) -> list[Result]:
        """Take the results that are there, up to the first that isn't.

        Raises:
            Exception: What the work raised.
        """
        while self._pending and self._pending[0].done():
            self._results.append(self._pending.popleft().result())
        results, self._results = self._results, []
        return results

    def rest(self) -> list[Result]:
        """Wait for all results and take them.

        Raises:
            Exception: What the work raised.
        """
        while self._pending:
            self._results.append(self._pending.popleft().result())
        return self.finished()
