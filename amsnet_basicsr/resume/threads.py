"""How many threads a training on a CPU should use: found by timing its own steps."""

from collections import deque
from collections.abc import Callable, Generator
from statistics import median

_TIMED = 4
"""Steps timed with each number of threads; the first is left out, as threads start in it."""
_WINDOW = 20
"""Steps whose median tells that the machine has become busy."""
_SLOWER = 2.0
"""So many times the time of the trial is much slower."""


def thread_choices(cores: int) -> list[int]:
    """Numbers of threads worth a trial: all cores, halves of them, one."""
    return list(dict.fromkeys([*(max(1, cores >> halvings) for halvings in range(3)), 1]))


def choose_threads(
    choices: list[int], set_threads: Callable[[int], None], say: Callable[[str], None]
) -> Generator[None, float, None]:
    """Time steps with several numbers of threads, keep the fastest, and look again when steps become much slower.

    Beside other work, more threads can be many times slower than one: they wait for each other. Started by `next`; the
    seconds of each step are sent to it. `set_threads` sets the number for the next step, `say` is told the choice.
    """
    while True:
        found: dict[int, float] = {}
        for number in choices:
            set_threads(number)
            times = []
            for _ in range(_TIMED):
                times.append((yield))
            found[number] = median(times[1:])
        best = min(found, key=found.__getitem__)
        set_threads(best)
        told = ', '.join(f'{choice}: {seconds:.3f} s' for choice, seconds in found.items())
        say(f'num_threads: auto takes {best} (a step with {told})')
        recent: deque[float] = deque(maxlen=_WINDOW)
        while len(recent) < _WINDOW or median(recent) <= _SLOWER * found[best]:
            recent.append((yield))
        say(f'Steps take {median(recent) / found[best]:.1f} times as long: looking for threads anew')
