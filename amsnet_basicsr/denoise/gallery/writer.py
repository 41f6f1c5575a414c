"""A page of images before and after denoising: one HTML file that needs nothing else; docs/denoise/denoise.md."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from amsnet_basicsr.denoise.detail import detailed_part
from amsnet_basicsr.denoise.gallery.crops import cut, shrink, view
from amsnet_basicsr.denoise.gallery.page import figure, page_head, page_tail
from amsnet_basicsr.images import ImageData, ImageError
from amsnet_basicsr.utils.atomic_write import atomic_write, write_error
from amsnet_basicsr.version import __version__

LONGEST_SIDE = 1600
"""Larger images are shown smaller, with this longest side in pixels."""
DETAIL_SIDE = 320
"""Side in pixels of the part that is shown pixel by pixel."""


class GalleryError(ImageError):
    """A gallery can't be written; the message names the file and says why, in one line."""


@dataclass(frozen=True)
class GalleryEntry:
    """An image of the gallery.

    Attributes:
        name: What to call it; any text.
        noisy: Before.
        denoised: After, of the same size.
        facts: What to say of it, by what it is, e.g. `{'seconds': '1.2'}`; its size is said anyway.
    """

    name: str
    noisy: ImageData
    denoised: ImageData
    facts: Mapping[str, str]


class GalleryWriter:
    """Write a gallery image by image; only one is in memory at a time.

    A context manager. The file gets its name when the block ends; if it ends in an error, nothing is left.

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
        self._not_denoised: list[tuple[str, str]] = []
        self._stack = ExitStack()
        self._file: BinaryIO | None = None

    def __enter__(self) -> 'GalleryWriter':
        if self.path.suffix.lower() not in ('.html', '.htm'):
            raise GalleryError(f'{self.path}: the name of a gallery must end in .html')
        if os.path.isdir(self.path):
            raise GalleryError(f'{self.path}: this is a folder; name a file in it')
        with self._told():
            self._file = self._stack.enter_context(atomic_write(self.path, self.overwrite, sync=True))
        self._stack.push(self._end)
        self._write(page_head(self.title))
        return self

    def add(self, entry: GalleryEntry) -> None:
        """Append an image; a ValueError if the two versions differ in size, or outside of the `with` block."""
        self._write(_render(entry))
        self.count += 1

    def add_failure(self, name: str, reason: str) -> None:
        """List an image that could not be denoised at the end of the page."""
        self._not_denoised.append((name, reason.removeprefix(f'{name}: ')))

    def __exit__(self, *error: Any) -> None:
        with self._told():
            self._stack.__exit__(*error)

    def _end(self, kind: type[BaseException] | None, *_: object) -> None:
        """Complete the page before it gets its name, unless an error drops it."""
        try:
            if kind is None:
                self._write(page_tail(self.count, self._not_denoised, f'amsnet-denoise {__version__}'))
        finally:
            self._file = None

    def _write(self, text: str) -> None:
        if self._file is None:
            raise ValueError('images can only be added within the with block of the gallery')
        with self._told():
            self._file.write(text.encode())

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise GalleryError(write_error(self.path, error)) from None


def write_gallery(path: Path | str, entries: Sequence[GalleryEntry], title: str, overwrite: bool = False) -> None:
    """Write a gallery of images that are all at hand; see `GalleryWriter`."""
    with GalleryWriter(path, title, overwrite) as gallery:
        for entry in entries:
            gallery.add(entry)


def _render(entry: GalleryEntry) -> str:
    noisy, denoised = entry.noisy, entry.denoised
    height, width = noisy.pixels.shape[:2]
    if denoised.pixels.shape[:2] != (height, width):
        found = '×'.join(map(str, denoised.pixels.shape[1::-1]))
        raise ValueError(f'{entry.name}: the denoised image is {found}, the noisy one {width}×{height}')
    facts = {'size': f'{width} × {height}, {8 * noisy.pixels.itemsize} bit', **entry.facts}
    if max(height, width) <= DETAIL_SIDE:
        whole, part = None, (0, 0, height, width)
    else:
        small, small_denoised = (shrink(image, LONGEST_SIDE) for image in (noisy, denoised))
        whole = view(small, small_denoised, quality=85)
        part = detailed_part(small_denoised.pixels, (height, width), (DETAIL_SIDE, DETAIL_SIDE))
    detail = view(cut(noisy, *part), cut(denoised, *part))
    top, left, part_height, part_width = part
    spot = (left / width, top / height, part_width / width, part_height / height)
    return figure(entry.name, facts, whole, detail, spot)
