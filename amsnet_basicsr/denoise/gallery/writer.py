"""A page of images before and after denoising: one HTML file that needs nothing else; docs/denoise/denoise.md."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from amsnet_basicsr.denoise.gallery.crops import cut, detailed_part, encode, shrink
from amsnet_basicsr.denoise.gallery.page import View, figure, page_head, page_tail
from amsnet_basicsr.images import ImageData, ImageError
from amsnet_basicsr.utils.atomic_write import rename_new, write_error
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
    """

    def __init__(self, path: Path | str, title: str, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.title = title
        self.overwrite = overwrite
        self._count = 0
        self._file: IO[str] | None = None
        self._temporary = self.path.with_name(f'.{self.path.name[:100]}.{os.getpid()}.tmp')

    def __enter__(self) -> 'GalleryWriter':
        """Begin the file.

        Raises:
            GalleryError: If it exists and may not be replaced, or can't be written.
        """
        if self.path.suffix.lower() not in ('.html', '.htm'):
            raise GalleryError(f'{self.path}: the name of a gallery must end in .html')
        if self.path.is_dir():
            raise GalleryError(f'{self.path}: this is a folder; name a file in it')
        if self.path.exists() and not self.overwrite:
            raise GalleryError(f'{self.path}: exists already; --overwrite replaces it')
        try:
            self._file = self._temporary.open('x', encoding='utf-8')
        except OSError as error:
            raise self._failed(error) from None
        self._write(page_head(self.title))
        return self

    def add(self, entry: GalleryEntry) -> None:
        """Append an image.

        Args:
            entry: The image.

        Raises:
            GalleryError: If the file can't be written on.
            ValueError: If the two images differ in size, or outside of the `with` block.
        """
        self._write(_render(entry))
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the file and give it its name, or drop it after an error.

        Raises:
            GalleryError: If it can't be written, or another file has got its name meanwhile and may not be replaced.
        """
        try:
            if kind is None:
                self._write(page_tail(self._count, f'amsnet-denoise {__version__}'))
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._rename()
        except OSError as failure:
            raise self._failed(failure) from None
        finally:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                self._temporary.unlink()
            self._file = None

    def _write(self, text: str) -> None:
        if self._file is None:
            raise ValueError('images can only be added within the with block of the gallery')
        try:
            self._file.write(text)
        except OSError as error:
            raise self._failed(error) from None

    def _rename(self) -> None:
        if self.overwrite:
            os.replace(self._temporary, self.path)
            return
        rename_new(self._temporary, self.path)

    def _failed(self, error: OSError) -> GalleryError:
        return GalleryError(write_error(self.path, error))


def write_gallery(path: Path | str, entries: Sequence[GalleryEntry], title: str, overwrite: bool = False) -> None:
    """Write a gallery of images that are all at hand; see `GalleryWriter`.

    Args:
        path: File to write.
        entries: The images.
        title: Heading of the page.
        overwrite: Whether an existing file may be replaced.

    Raises:
        GalleryError: If the file exists and may not be replaced, or can't be written.
        ValueError: If the two images of an entry differ in size.
    """
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
        small = [shrink(image, LONGEST_SIDE) for image in (noisy, denoised)]
        whole = View(*(encode(image, quality=85) for image in small))
        part = detailed_part(small[1], (height, width), DETAIL_SIDE)
    detail = View(*(encode(cut(image, *part)) for image in (noisy, denoised)))
    top, left, part_height, part_width = part
    spot = (left / width, top / height, part_width / width, part_height / height)
    return figure(entry.name, facts, whole, detail, spot)
