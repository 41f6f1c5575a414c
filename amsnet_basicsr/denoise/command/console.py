"""Messages of the command: results to stdout, errors, notes and progress to stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from amsnet_basicsr.utils.text import print_line, printable

PROGRAM = 'amsnet-denoise'
_BAR = '{percentage:3.0f}%|{bar:30}| {n:.1f}/{total} images, {elapsed} so far, {remaining} left{postfix}'


class Console:
    """Prints messages while images are denoised: with a bar on a terminal, else a line per image.

    With `to_stderr` results go there too, as stdout is needed for JSON.
    """

    def __init__(self, quiet: bool = False, to_stderr: bool = False) -> None:
        self._quiet = quiet
        self._out = sys.stderr if to_stderr else sys.stdout
        self._bar = tqdm(disable=True)  # which ignores all
        self._start, self._done, self._megapixels = 0.0, 0, 0.0

    def error(self, text: str) -> None:
        """Print an error, after the name of the program."""
        print_line(printable(f'{PROGRAM}: {text}'), sys.stderr)

    def note(self, text: str) -> None:
        """Print something worth knowing, unless quiet."""
        if not self._quiet:
            print_line(printable(f'Note: {text}'), sys.stderr)

    def result(self, text: str) -> None:
        """Print what was done, unless quiet."""
        if not self._quiet:
            print_line(printable(text), self._out)

    @contextmanager
    def images(self, total: int) -> Iterator[None]:
        """Show the progress of so many images, as long as this lasts."""
        hidden = self._quiet or sys.stderr is None or not sys.stderr.isatty()
        self._start = time.monotonic()
        with tqdm(total=total, bar_format=_BAR, dynamic_ncols=True, leave=False, disable=hidden) as self._bar:
            yield

    def progress(self, share: float, megapixels: float) -> None:
        """Show which share of the present image is done, 0 to 1."""
        speed = (self._megapixels + share * megapixels) / max(time.monotonic() - self._start, 1e-9)
        self._bar.set_postfix_str(f'{speed:.2f} MP/s', refresh=False)
        self._bar.update(self._done + min(share, 1.0) - self._bar.n)

    def finished(self, line: str | None, megapixels: float) -> None:
        """Count an image as done; the line says so where there is no bar."""
        self._done += 1
        self._megapixels += megapixels
        self._bar.update(self._done - self._bar.n)
        if line is not None and self._bar.disable:
            self.result(f'[{self._done}/{self._bar.total}] {line}')
