"""Install the package with the oldest or the newest dependencies that it allows, and test it there.

    python scripts/test_dependencies.py oldest --python python3.10
    python scripts/test_dependencies.py newest -- tests/scheme -q

The oldest are the lower bounds in pyproject.toml, extras included; what they need in turn is the newest that fits. The
tests run in a new virtual environment, after `pip check` and a start of `tensorboard`. The script itself needs Python
3.11; it uses nothing but the standard library.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit('test_dependencies.py itself needs Python 3.11, for tomllib; --python names the one to test with')
import tomllib

REPOSITORY = Path(__file__).resolve().parent.parent
_REQUIREMENT = re.compile(r'(?P<name>[\w.-]+) *(?:\[[^]]*])? *(?P<versions>[^;]*)(?P<marker>;.*)?')
_LOWER_BOUND = re.compile(r'(?:>=|==|~=) *([\w.+!]+)')


def lower_bounds(pyproject: str) -> dict[str, str]:
    """Find the oldest version of every dependency that a project allows.

    Args:
        pyproject: Text of a pyproject.toml.

    Returns:
        Versions by the dependencies' names, of the build, the run time and all extras.

    Raises:
        ValueError: If dependencies have no lower bound, or two different ones; all of them are named.
    """
    oldest: dict[str, str] = {}
    problems = []
    for requirement in _requirements(tomllib.loads(pyproject)):
        found = _REQUIREMENT.fullmatch(requirement)
        bound = found and _LOWER_BOUND.search(found['versions'])
        if not bound or found['marker']:
            problems.append(f'{requirement!r} has no lower bound, or has it for some Pythons only')
        elif oldest.setdefault(found['name'], bound[1]) != bound[1]:
            problems.append(f'{found["name"]} has two lower bounds, {oldest[found["name"]]} and {bound[1]}')
    if problems:
        raise ValueError('; '.join(problems))
    return oldest


def _requirements(tables: dict) -> Iterator[str]:
    yield from tables['build-system']['requires']
    yield from tables['project']['dependencies']
    for extra in tables['project'].get('optional-dependencies', {}).values():
        # An extra may be made of others.
        yield from (line for line in extra if not line.startswith(tables['project']['name']))


def install(python: Path, constraints: Sequence[str]) -> None:
    """Install the repository, editable, with all extras.

    Nothing is built in isolation: our build shall run in the same setuptools, and BasicSR, which is no wheel, would
    fetch a second PyTorch.

    Args:
        python: The environment's Python.
        constraints: What pip must keep to, as `name==version`; without any it takes the newest.
    """
    tables = tomllib.loads((REPOSITORY / 'pyproject.toml').read_text(encoding='utf-8'))
    builder = [line for line in tables['project']['dependencies'] if line.startswith('setuptools')]
    file = python.parent.parent / 'constraints.txt'
    file.write_text('\n'.join(constraints))
    pip = [python, '-m', 'pip', 'install', '--progress-bar', 'off', '--upgrade', '--upgrade-strategy', 'eager']
    _run(*pip, 'pip')
    _run(*pip, '--constraint', file, *builder)
    _run(*pip, '--constraint', file, '--no-build-isolation', '--editable', f'{REPOSITORY}[test]')


def check(python: Path, names: Sequence[str], tests: Sequence[str]) -> None:
    """Show the versions, then run `pip check`, `tensorboard` and the tests.

    Args:
        python: The environment's Python.
        names: Whose versions to show.
        tests: Arguments for pytest.
    """
    show = 'import importlib.metadata as m, sys; print(*(f"{name}=={m.version(name)}" for name in sys.argv[1:]))'
    _run(python, '-c', show, *names)
    _run(python, '-m', 'pip', 'check')
    with tempfile.TemporaryDirectory() as empty:
        _run(python.with_name('tensorboard'), '--inspect', '--logdir', empty)
    _run(python, '-m', 'pytest', *tests)


def _run(*command: object) -> None:
    words = [str(word) for word in command]
    print('+', *words, flush=True)
    subprocess.run(words, cwd=REPOSITORY, check=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, make the environment, test in it.

    Args:
        argv: Arguments; default: those of the command line.

    Returns:
        Exit status.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    cut = argv.index('--') if '--' in argv else len(argv)
    parser = argparse.ArgumentParser(
        description=__doc__.partition('\n')[0],
        epilog='Arguments after -- go to pytest; without any, all tests are run.',
    )
    parser.add_argument('versions', choices=['oldest', 'newest'], help='of the dependencies')
    parser.add_argument('--python', default=sys.executable, help='Python to test with; default: the one that runs this')
    parser.add_argument('--dir', type=Path, help='environment to make, or to bring up to date, and keep')
    args = parser.parse_args(argv[:cut])
    try:
        oldest = lower_bounds((REPOSITORY / 'pyproject.toml').read_text(encoding='utf-8'))
    except ValueError as error:
        parser.error(f'pyproject.toml: {error}')
    with tempfile.TemporaryDirectory(prefix='test_dependencies_') as temporary:
        folder = (args.dir or Path(temporary)).resolve()
        python = folder / ('Scripts' if sys.platform == 'win32' else 'bin') / 'python'
        try:
            _run(args.python, '-m', 'venv', folder)
            install(python, [f'{name}=={oldest[name]}' for name in oldest] if args.versions == 'oldest' else [])
            check(python, list(oldest), argv[cut + 1 :])
        except (subprocess.CalledProcessError, OSError) as error:
            print(f'test_dependencies.py: {error}', file=sys.stderr)
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
