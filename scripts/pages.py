"""Putting what a script measured into a page of the documentation."""

from pathlib import Path

from amsnet_basicsr.utils.atomic_write import atomic_write


def write_between_marks(page: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between two marks in a Markdown page, at once.

    Args:
        page: The page.
        begin: The mark above, a line.
        end: The mark below, a line.
        text: What to write there.

    Raises:
        ValueError: If the marks aren't there once each, in this order.
        OSError: If the page cannot be read or written.
    """
    old = page.read_text(encoding='utf-8')
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise ValueError(f'{page}: the lines {begin} and {end} must be there once, in this order')
    before, rest = old.split(begin)
    with atomic_write(page) as file:
        file.write(f'{before}{begin}\n{text}\n{end}{rest.split(end)[1]}'.encode())
