"""What goes along with the pixels of an image: upright, and without what is damaged or describes lost parts."""

import re
from dataclasses import dataclass, replace
from typing import Any

_LARGEST_RESOLUTION = 10**7
#: Motion photos and Ultra HDR images: their XMP describes data behind the image in the file.
_DESCRIBES_MORE = re.compile(rb'GCamera:Mo|GCamera:Micro|hdrgm:|Container:Directory|HDRGainMap')


@dataclass(frozen=True)
class Metadata:
    """What goes along with the pixels unchanged.

    Attributes:
        exif: EXIF block, from its `Exif` mark on; its orientation is 1, as the pixels are upright.
        icc: ICC profile.
        xmp: XMP packet.
        resolution: Dots an inch, horizontally and vertically.
        density: Pixels horizontally and vertically of a unit that the file doesn't name; with equal ones or others, the
            shape of a pixel.
        png_colour: PNG's chunks that say what its numbers mean (gAMA, cHRM, sRGB, cICP), as they are in the file.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    resolution: tuple[float, float] | None = None
    density: tuple[float, float] | None = None
    png_colour: bytes = b''

    def without(self, *names: str) -> 'Metadata':
        """Leave out parts that may be None."""
        nothing: dict[str, Any] = dict.fromkeys(names)
        return replace(self, **nothing)


def drop_invalid(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Drop what is damaged and what describes parts of the file that are not kept; return notes on it."""
    notes = []
    for name in ('resolution', 'density'):
        values = getattr(metadata, name)
        if values and not all(0 < value < _LARGEST_RESOLUTION for value in values):
            metadata = metadata.without(name)
            notes.append('its resolution is damaged and left out')
    if metadata.xmp and _DESCRIBES_MORE.search(metadata.xmp):
        metadata = metadata.without('xmp')
        notes.append('the video or HDR gain map behind its pixels is left out, and the XMP that tells of it')
    return metadata, tuple(notes)


def upright_xmp(xmp: bytes | None) -> bytes | None:
    """Set the orientation in an XMP packet to 1, as the pixels will be upright; the packet keeps its length."""
    return xmp and re.sub(rb'(tiff:Orientation(?:\s*=\s*["\']|>))[2-8](?=["\'<])', rb'\g<1>1', xmp)
