"""Tables in Markdown, and putting them into a page of the documentation."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from amsnet_basicsr.utils.atomic_write import atomic_write


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Write a table."""
    lines = (f'| {" | ".join(map(str, row))} |' for row in (head, *rows))
    return '\n'.join([next(lines), '|---' * len(head) + '|', *lines])


def check_marks(page: Path, begin: str, end: str) -> str:
    """Read a page, which must have both lines once, in this order; raises ValueError if not."""
    text = page.read_text(encoding='utf-8') if page.is_file() else ''
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f'{page}: the lines {begin} and {end} must be there once, in this order')
    return text


def write_between_marks(page: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two lines of a Markdown page, atomically."""
    before, rest = check_marks(page, begin, end).split(begin)
    with atomic_write(page) as file:
        file.write(f'{before}{begin}\n{text}\n{end}{rest.split(end)[1]}'.encode())
