"""The number of threads follows the machine's load."""

import pytest

from amsnet_basicsr.resume.threads import choose_threads, thread_choices


@pytest.mark.parametrize(('cores', 'choices'), [(1, [1]), (2, [2, 1]), (3, [3, 1]), (16, [16, 8, 4, 1])])
def test_choices(cores, choices):
    assert thread_choices(cores) == choices


def test_the_fastest_is_kept_until_steps_become_much_slower():
    now, said = [0], []
    trial = choose_threads([2, 1], lambda number: now.__setitem__(0, number), said.append)
    next(trial)

    def steps(count: int, seconds: dict[int, float]) -> None:
        for _ in range(count):
            trial.send(seconds[now[0]])

    alone, busy = {2: 0.13, 1: 0.2}, {2: 1.3, 1: 0.3}
    steps(8, alone)
    assert now == [2] and said == ['num_threads: auto takes 2 (a step with 2: 0.130 s, 1: 0.200 s)']
    steps(50, {2: 0.2, 1: 0.3})  # a little slower is no reason
    assert now == [2] and len(said) == 1
    steps(20 + 8, busy)
    assert now == [1] and said[1].startswith('Steps take') and said[2].startswith('num_threads: auto takes 1')
