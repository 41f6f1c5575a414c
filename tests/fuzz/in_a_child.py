"""Run a fuzz test in a process of its own: a crash of a C library would take the whole test run with it."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from tests.conftest import REPOSITORY
from tests.fork_server import ForkServer
from tests.fuzz.settings import examples, is_long

MOST_MEGABYTES = 2500
"""What a child may take at its peak: an image of as many pixels as are let in takes 1600, PyTorch alone 800."""


def fuzz(strategy: SearchStrategy, check: Callable[[Path, object], None], folder: Path, quick: int) -> None:
    """In the child: try inputs, and print how many there were and what memory they took at the peak.

    Args:
        strategy: Makes the inputs.
        check: Called with a file of no fixed content and an input; an exception is a find.
        folder: Scratch folder. The input that is being tried lies there as `input`, for the case that the process dies.
        quick: Number of inputs in a usual test run.
    """
    import resource

    tried = 0

    @settings(
        max_examples=examples(quick),
        derandomize=not is_long(),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(strategy)
    def run(data: object) -> None:
        nonlocal tried
        tried += 1
        check(folder / 'input', data)

    run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f'{tried} inputs, {peak} MB at the peak')


def run_child(server: ForkServer, module: str, folder: Path) -> str:
    """In the test: run a module as `python -m module folder`.

    Args:
        server: What starts it.
        module: Module whose main calls `fuzz`.
        folder: Scratch folder.

    Returns:
        What it printed at the end.
    """
    out, err = folder / 'stdout', folder / 'stderr'
    code = server.wait(server.start('-m', module, folder, cwd=REPOSITORY, stdout=out, stderr=err))
    assert code >= 0, f'the process died of signal {-code}; its last input is {folder / "input"}'
    told = [file.read_text(errors='replace').splitlines() for file in (out, err)]
    assert code == 0, '\n'.join(line[:300] for lines in told for line in lines)[-8000:]  # inputs are long
    return told[0][-1]
