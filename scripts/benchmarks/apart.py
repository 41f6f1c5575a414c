"""Two sides timed in turns, each in a process of its own: ours as our commands run it, the other as scripts are run."""

import multiprocessing
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import torch

from amsnet_basicsr.allocator import keep_freed_memory

#: What the column says, for the text below a table.
APART = 'As commands run: each side in a process of its own, where ours keeps freed memory.'


def _serve(
    connection: Connection,
    prepare: Callable[..., Callable[[], Any]],
    arguments: tuple,
    threads: int,
    keeps: bool,
    clock: Callable[[], float],
) -> None:
    if keeps:
        keep_freed_memory()
    torch.set_num_threads(threads)
    task = prepare(*arguments)
    while connection.recv():
        start = clock()
        task()
        connection.send(clock() - start)


def in_turns_apart(
    prepare: Callable[..., Callable[[], Any]],
    arguments: Mapping[str, tuple],
    rounds: int,
    clock: Callable[[], float],
) -> dict[str, list[float]]:
    """Time calls of two processes in turns; only one computes at a time.

    Args:
        prepare: Function of a module, called in each process; returns the call to time.
        arguments: For `prepare`, by side. The process of the side `ours` keeps freed memory, as our commands do.
        rounds: How many times each is timed, after one that doesn't count.
        clock: Seconds.

    Returns:
        Seconds of each round by side.

    Raises:
        ValueError: If a process ends.
    """
    context = multiprocessing.get_context('spawn')
    connections, processes = {}, []
    for side, given in arguments.items():
        connections[side], theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, prepare, given, torch.get_num_threads(), side == 'ours', clock), daemon=True
        )
        process.start()
        theirs.close()
        processes.append(process)
    times: dict[str, list[float]] = {side: [] for side in arguments}
    try:
        for number in range(rounds + 1):
            for side, connection in connections.items():
                connection.send(True)
                seconds = connection.recv()
                times[side] += [seconds] if number else []
        for connection in connections.values():
            connection.send(False)
    except (EOFError, OSError) as error:
        raise ValueError('a process that was timed has ended; what went wrong stands above') from error
    for process in processes:
        process.join()
    return times
