"""A page of images before and after denoising: one HTML file that needs nothing else; docs/denoise/denoise.md."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from amsnet_basicsr.denoise.gallery.page import GalleryEntry, figure, page_head, page_tail
from amsnet_basicsr.images import ImageError
from amsnet_basicsr.utils.atomic_write import atomic_write, write_error
from amsnet_basicsr.version import __version__


class GalleryError(ImageError):
    """A gallery can't be written; the message names the file and says why, in one line."""


class _NoImagesError(Exception):
    """The page has none."""


class GalleryWriter:
    """Write a gallery image by image; only one is in memory at a time.

    A context manager. The file gets its name when the block ends; if it ends in an error, or no image was added,
    nothing is left.

    Args:
        path: File to write; its name ends in .html or .htm.
        title: Heading of the page; any text.
        overwrite: Whether an existing file may be replaced.

    Raises:
        GalleryError: On entering, adding or leaving, if the file exists and may not be replaced or can't be written.
    """

    def __init__(self, path: Path | str, title: str, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.title = title
        self.overwrite = overwrite
        self.count = 0
        self._failed: list[tuple[str, str]] = []
        self._file: BinaryIO | None = None
        self._page = self._write_page()

    def __enter__(self) -> 'GalleryWriter':
        if self.path.suffix.lower() not in ('.html', '.htm'):
            raise GalleryError(f'{self.path}: the name of a gallery must end in .html')
        if os.path.isdir(self.path):
            raise GalleryError(f'{self.path}: this is a folder; name a file in it')
        with self._told():
            self._page.__enter__()
        return self

    def add(self, entry: GalleryEntry) -> None:
        """Append an image; a ValueError if the two versions differ in size, or outside of the `with` block."""
        if self._file is None:
            raise ValueError('images can only be added within the with block of the gallery')
        content = figure(entry).encode()
        with self._told():
            self._file.write(content)
        self.count += 1

    def add_failure(self, name: str, reason: str) -> None:
        """List an image that could not be denoised at the end of the page."""
        self._failed.append((name, reason.removeprefix(f'{name}: ')))

    def __exit__(self, *error: Any) -> None:
        with self._told():
            self._page.__exit__(*error)

    @contextmanager
    def _write_page(self) -> Iterator[None]:
        with suppress(_NoImagesError), atomic_write(self.path, self.overwrite, sync=True) as self._file:
            self._file.write(page_head(self.title).encode())
            try:
                yield
                if not self.count:
                    raise _NoImagesError
                self._file.write(page_tail(self.count, self._failed, f'amsnet-denoise {__version__}').encode())
            finally:
                self._file = None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise GalleryError(write_error(self.path, error)) from None
