"""Install the package with the oldest or the newest dependencies that it allows, and test it there (needs uv).

    python scripts/test_dependencies.py oldest --python 3.10
    python scripts/test_dependencies.py newest -- tests/scheme -q

The oldest are the lower bounds in pyproject.toml, extras included; what they need in turn is the newest that fits. The
tests run in a new virtual environment, after `uv pip check` and a start of `tensorboard`.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
#: What BasicSR's setup.py needs to be there: built in isolation, it would fetch a second PyTorch.
BUILD = ('cython', 'numpy', 'setuptools', 'torch')


def commands(versions: str, python: str, folder: Path, tests: Sequence[str]) -> list[list[str]]:
    """List the commands that make the environment and test in it."""
    binaries = folder / ('Scripts' if sys.platform == 'win32' else 'bin')
    pins = folder / 'pins.txt'
    resolution = 'lowest-direct' if versions == 'oldest' else 'highest'
    install = ['uv', 'pip', 'install', '--python', str(folder), '--constraint', str(pins)]
    return [
        ['uv', 'venv', '--python', python, '--allow-existing', str(folder)],
        ['uv', 'pip', 'compile', 'pyproject.toml', '--extra', 'test', '--resolution', resolution, '--upgrade',
         '--python', str(folder), '--quiet', '--output-file', str(pins)],
        [*install, *BUILD],
        [*install, '--no-build-isolation', '--editable', '.[test]'],
        ['uv', 'pip', 'check', '--python', str(folder)],
        [str(binaries / 'tensorboard'), '--inspect', '--logdir', str(folder)],
        [str(binaries / 'python'), '-m', 'pytest', *tests],
    ]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Make the environment and test in it; returns the exit status."""
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
    with tempfile.TemporaryDirectory(prefix='test_dependencies_') as temporary:
        try:
            for command in commands(
                args.versions, args.python, (args.dir or Path(temporary)).resolve(), argv[cut + 1 :]
            ):
                print('+', *command, flush=True)
                subprocess.run(command, cwd=REPOSITORY, check=True)
        except FileNotFoundError as error:
            sys.exit(f'{error.filename} is not installed; for uv: pip install uv')
        except subprocess.CalledProcessError as error:
            print(f'test_dependencies.py: {error}', file=sys.stderr)
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
