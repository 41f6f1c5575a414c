"""Work on many items at once, with few of them in memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int = 1
) -> Iterator[Result]:
    """Apply a function in threads and yield the results in order.

    Threads serve, since OpenCV and zlib let go of Python's lock while they work.

    Args:
        function: What to do with an item.
        items: The items; taken one by one.
        workers: Number of threads.
        ahead: How many results may wait beyond one per worker. At most `workers + ahead` items are under way or
            waiting at any time.

    Yields:
        The results.

    Raises:
        Exception: Whatever the function raises, when its item's turn comes; later items are dropped.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                if len(pending) == workers + ahead:
                    yield pending.popleft().result()
                pending.append(pool.submit(function, item))
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
