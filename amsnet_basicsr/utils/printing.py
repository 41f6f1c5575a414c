"""Printing that cannot fail: whatever happens to the output, the work goes on."""

import os
import sys
from contextlib import suppress
from typing import TextIO

from tqdm import tqdm


def print_line(text: str, stream: TextIO | None) -> bool:
    """Print a line, above a progress bar if there is one.

    Args:
        text: The line; what the stream's encoding lacks is escaped, such as the bytes of a name that are not text.
        stream: Such as `sys.stdout`, which is None where a process has none.

    Returns:
        Whether it could be printed. A stream that is closed, full or no longer read leads nowhere from then on.
    """
    if stream is None:  # which tqdm would take for stdout
        return False
    encoding = getattr(stream, 'encoding', None) or 'utf-8'
    try:
        # tqdm clears a bar first and draws it again.
        tqdm.write(text.encode(encoding, 'backslashreplace').decode(encoding), file=stream)
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError), open(os.devnull, 'w', encoding='utf-8') as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())  # else Python complains at its end
        return False
    return True


def say(text: str) -> None:
    """Print a line to stdout."""
    print_line(text, sys.stdout)
