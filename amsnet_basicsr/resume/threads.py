"""How many threads a training on a CPU should use: found by timing its own steps."""

from collections import deque
from collections.abc import Callable
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


class ThreadTrial:
    """Times steps with several numbers of threads, keeps the fastest, and looks again when steps become much slower.

    Beside other work, more threads can be many times slower than one: they wait for each other. `set_threads` sets the
    number for the next step, `say` is told about the choice.
    """

    def __init__(self, choices: list[int], set_threads: Callable[[int], None], say: Callable[[str], None]) -> None:
        self._choices, self._set, self._say = choices, set_threads, say
        self._begin()

    def _begin(self) -> None:
        self._times: dict[int, list[float]] = {number: [] for number in self._choices}
        self._best: float | None = None
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._set(self._choices[0])

    def add(self, seconds: float) -> None:
        """Take the time of a step."""
        if self._best is not None:
            self._recent.append(seconds)
            if len(self._recent) == _WINDOW and median(self._recent) > _SLOWER * self._best:
                self._say(f'Steps take {median(self._recent) / self._best:.1f} times as long: looking for threads anew')
                self._begin()
            return
        self._times[self._unfinished()[0]].append(seconds)
        if unfinished := self._unfinished():
            self._set(unfinished[0])
            return
        found = {number: median(times[1:]) for number, times in self._times.items()}
        number, self._best = min(found.items(), key=lambda item: item[1])
        self._set(number)
        told = ', '.join(f'{choice}: {seconds:.3f} s' for choice, seconds in found.items())
        self._say(f'num_threads: auto takes {number} (a step with {told})')

    def _unfinished(self) -> list[int]:
        return [number for number, times in self._times.items() if len(times) < _TIMED]
