"""What the commands that prepare data have in common: one line for every failure, and the time at the end."""

import argparse
import sys
import time
from collections.abc import Callable

from amsnet_basicsr.prepare.errors import PrepareError


def run_command(name: str, args: argparse.Namespace, ending: Callable[[argparse.Namespace], str]) -> int:
    """Run a sub-command, and say what it made or why it failed.

    Args:
        name: The script's name.
        args: Its arguments: `run` is the sub-command, which returns what it made in words, and `output` its output.
        ending: Says what to do next.

    Returns:
        Exit status: 0, 1 after a failure, 130 if interrupted.
    """
    start = time.perf_counter()
    try:
        made = args.run(args)
    except PrepareError as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a folder without permission
        print(f'{name}: {error.filename or args.output}: {error.strerror or error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'{name}: stopped; the same command goes on', file=sys.stderr)
        return 130
    print(f'{made}, {time.perf_counter() - start:.0f} s\n{ending(args)}')
    return 0
