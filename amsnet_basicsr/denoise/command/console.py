"""Messages of the command: results to stdout, errors, notes and progress to stderr."""

import sys
import time

from tqdm import tqdm

from amsnet_basicsr.utils.text import print_line, printable

_BAR = '{percentage:3.0f}%|{bar:30}| {n:.1f}/{total} images, {elapsed} so far, {remaining} left{postfix}'


class Console:
    """Prints messages while images are denoised: with a bar on a terminal, else a line per image.

    Errors begin with the name of the program. With `to_stderr` results go there too, as stdout is needed for JSON.
    """

    def __init__(self, program: str, quiet: bool = False, to_stderr: bool = False) -> None:
        self.program = program
        self.quiet = quiet
        self._bar: tqdm | None = None
        self._megapixels = 0.0
        self._total = 0
        self._number = 0
        self._start = time.monotonic()
        self._out = sys.stderr if to_stderr else sys.stdout

    def error(self, text: str) -> None:
        """Print an error."""
        print_line(printable(f'{self.program}: {text}'), sys.stderr)

    def note(self, text: str) -> None:
        """Print something worth knowing, unless quiet."""
        if not self.quiet:
            print_line(printable(f'Note: {text}'), sys.stderr)

    def result(self, text: str) -> None:
        """Print what was done, unless quiet."""
        if not self.quiet:
            print_line(printable(text), self._out)

    def begin(self, total: int) -> None:
        """Start a batch of so many images."""
        self._total, self._number, self._megapixels = total, 0, 0.0
        self._start = time.monotonic()
        if not self.quiet and sys.stderr is not None and sys.stderr.isatty():
            self._bar = tqdm(total=total, bar_format=_BAR, file=sys.stderr, dynamic_ncols=True, leave=False)

    def progress(self, share: float, megapixels: float) -> None:
        """Show which share of the present image is done, 0 to 1."""
        if self._bar is None:
            return
        speed = (self._megapixels + share * megapixels) / max(time.monotonic() - self._start, 1e-9)
        self._bar.set_postfix_str(f'{speed:.2f} MP/s', refresh=False)
        self._bar.update(self._number + min(share, 1.0) - self._bar.n)

    def finished(self, line: str | None = None, megapixels: float = 0.0) -> None:
        """Count an image as done; the line says so where there is no bar."""
        self._number += 1
        self._megapixels += megapixels
        if self._bar is not None:
            self._bar.update(self._number - self._bar.n)
        elif line is not None:
            self.result(f'[{self._number}/{self._total}] {line}')

    def end(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
