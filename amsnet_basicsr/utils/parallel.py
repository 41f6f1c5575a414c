"""Process many items in threads, with few of them in memory."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None, ahead: int = 1
) -> Generator[Result, None, None]:
    """Apply a function in threads and yield the results in order.

    `Executor.map` takes all items at once before Python 3.14; here at most `workers + ahead` are in work or waiting.
    An exception of the function is raised when its item's turn comes, and later items are dropped.

    Args:
        function: What to do with an item. OpenCV and zlib release Python's lock while they work.
        items: The items, taken one by one.
        workers: Number of threads; None for one per core.
        ahead: How many results may wait beyond one per thread.
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
