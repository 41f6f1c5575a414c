"""Metadata of images as they are kept: upright, and without what is damaged or tells of parts that are gone."""

import re
from dataclasses import replace

from amsnet_basicsr.images.image import Metadata

_LARGEST_RESOLUTION = 10**7
#: Motion photos and Ultra HDR images: their XMP describes data behind the image in the file.
_TELLS_OF_MORE = re.compile(rb'GCamera:Mo|GCamera:Micro|hdrgm:|Container:Directory|HDRGainMap')


def without_what_is_gone(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Drop what is damaged and what describes parts of the file that are not kept; return notes on it."""
    notes = []
    for name in ('resolution', 'density'):
        values = getattr(metadata, name)
        if values and not all(0 < value < _LARGEST_RESOLUTION for value in values):
            metadata = metadata.without(name)
            notes.append('its resolution is damaged and left out')
    if metadata.xmp and _TELLS_OF_MORE.search(metadata.xmp):
        metadata = replace(metadata, xmp=None)
        notes.append('the video or HDR gain map behind its pixels is left out, and the XMP that tells of it')
    return metadata, tuple(notes)


def upright_xmp(xmp: bytes | None) -> bytes | None:
    """Set the orientation in an XMP packet to 1, as the pixels will be upright; the packet keeps its length."""
    return xmp and re.sub(rb'(tiff:Orientation(?:\s*=\s*["\']|>))[2-8](?=["\'<])', rb'\g<1>1', xmp)
