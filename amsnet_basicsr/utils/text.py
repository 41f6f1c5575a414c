"""Make text from outside fit into one line of a message, and print lines even if the output fails."""

import difflib
import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TextIO

from tqdm import tqdm


def printable(text: str) -> str:
    """Escape what would break a line: file names may contain line breaks, and bytes that are not text."""
    return ''.join(sign if sign.isprintable() else sign.encode('unicode_escape').decode() for sign in text)


def one_line(text: object, most: int = 300) -> str:
    """Make one printable line of at most `most` characters of anything: an error, a key from a file, a value.

    White space becomes single spaces, and an error without a message its type. Of other things from a file than text
    the type is shown, since Python itself stumbles over long numbers and endless nestings.
    """
    if isinstance(text, BaseException):
        text = str(text) or type(text).__name__
    elif isinstance(text, int) and abs(text) < 2**63:
        text = str(text)
    elif not isinstance(text, str):
        text = f'a {type(text).__name__}'
    text = printable(re.sub(r'\s+', ' ', text[: 4 * most]).strip())
    return text if len(text) <= most else f'{text[:most]}…'


def first_line(error: BaseException, most: int = 300) -> str:
    """Return the first non-empty line of an error, as `one_line`."""
    lines = (line for line in str(error).splitlines() if line.strip())
    return one_line(next(lines, type(error).__name__), most)


def name_some(names: Sequence[str], most: int = 5, separator: str = ', ') -> str:
    """List the first names, for example `a, b, c, and 4 more`."""
    more = [f'and {len(names) - most} more'] if len(names) > most else []
    return separator.join([*map(printable, names[:most]), *more])


def did_you_mean(name: object, known: Iterable[str], otherwise: str = 'known') -> str:
    """Hint at the known name that is nearest to a wrong one, or list all: `did you mean 'scheme'?`, `known: a, b`."""
    known = list(known)
    by_lower_case = {one.lower(): one for one in known}
    near = difflib.get_close_matches(str(name)[:100].lower(), by_lower_case, n=1)
    if near:
        return f'did you mean {by_lower_case[near[0]]!r}?'
    return f'{otherwise}: {", ".join(known) or "none"}'


def as_text(path: str) -> str:
    """Write a path that is not UTF-8 as one that can be encoded; any other stays as it is.

    OpenCV, TensorBoard and log files take text only. A byte that is not text is written as its number.
    """
    return path.encode(errors='surrogateescape').decode(errors='backslashreplace')


def print_line(text: str, stream: TextIO | None) -> bool:
    """Print a line, above a progress bar if there is one, and return whether it could be printed.

    What the encoding lacks is escaped, such as the bytes of a name that are not text. A stream that is closed, full or
    no longer read leads nowhere from then on; it is None where a process has none.
    """
    if stream is None:  # which tqdm would take for stdout
        return False
    encoding = getattr(stream, 'encoding', None) or 'utf-8'
    try:
        # tqdm clears a bar first and draws it again.
        tqdm.write(text.encode(encoding, 'backslashreplace').decode(encoding), file=stream)
        stream.flush()
    except (OSError, ValueError):
        discard_output(stream)
        return False
    return True


def discard_output(stream: TextIO) -> None:
    """Let a stream that cannot be written lead nowhere, else Python complains of it at its end."""
    with suppress(OSError, ValueError), open(os.devnull, 'w', encoding='utf-8') as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def say(text: str) -> None:
    """Print a line to stdout."""
    print_line(text, sys.stdout)
