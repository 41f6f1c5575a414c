"""What goes along with the pixels of an image: upright, and without what is damaged or describes lost parts.

TIFF files are EXIF blocks with pixels in them.
"""

import re
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from PIL import Image
from PIL.ExifTags import IFD, Base

# Of damaged tags; what they cost an image is told in its notes. For good, as `catch_warnings` is not safe in threads.
warnings.filterwarnings('ignore', module='PIL.TiffImagePlugin')

EXIF_MARK = b'Exif\0\0'
"""What an EXIF block begins with in a JPEG file."""
SUB_DIRECTORIES = (IFD.Exif, IFD.GPSInfo)
"""Tags that lead to further directories."""
IMAGE_TAGS = (
    *(Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist, Base.HostComputer),
    *(Base.Copyright, *SUB_DIRECTORIES),
)
"""Tags of a TIFF file's first directory that describe the camera and the image, not how its pixels are stored."""
_LARGEST_RESOLUTION = 10**7
#: Motion photos and Ultra HDR images: their XMP describes data behind the image in the file.
_DESCRIBES_MORE = (
    *(b'Camera:MotionPhoto', b'Camera:MicroVideo', b'Container:Directory'),
    *(b'hdrgm:', b'hdr-gain-map/', b'HDRGainMap'),
)
#: Files that hold such data without XMP: Samsung's videos, gain maps by ISO 21496-1 and Apple's in HEIC.
_HOLDS_MORE = (*_DESCRIBES_MORE, b'MotionPhoto_Data', b'iso:ts:21496', b'aux:hdrgainmap')
#: A brand of HEIC and AVIF files with a gain map by ISO 21496-1.
_GAIN_MAP = re.compile(rb'.{4}ftyp.{8,48}tmap', re.DOTALL)


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
        png_colour: PNG's chunks that say what its numbers mean (gAMA, cHRM, sRGB, cICP, mDCV, cLLI), as they are in the
            file.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    resolution: tuple[float, float] | None = None
    density: tuple[float, float] | None = None
    png_colour: bytes = b''

    def colour(self) -> 'Metadata':
        """Keep only what says how the numbers are meant, for an image made of this one's pixels."""
        return Metadata(icc=self.icc, png_colour=self.png_colour)

    def without(self, *names: str) -> 'Metadata':
        """Leave out parts that may be None."""
        nothing: dict[str, Any] = dict.fromkeys(names)
        return replace(self, **nothing)


def tidy(metadata: Metadata, content: bytes = b'') -> tuple[Metadata, tuple[str, ...]]:
    """Set orientations to upright and drop what is damaged or describes parts that are not kept; notes say what.

    `content` is the whole file, of a format that may hold such parts.
    """
    notes = []
    metadata = replace(metadata, exif=upright(metadata.exif), xmp=upright_xmp(metadata.xmp))
    for name in ('resolution', 'density'):
        values = getattr(metadata, name)
        if values and not all(0 < value < _LARGEST_RESOLUTION for value in values):
            metadata = metadata.without(name)
            notes.append('its resolution is damaged and left out')
    told = any(mark in (metadata.xmp or b'') for mark in _DESCRIBES_MORE)
    if told or _GAIN_MAP.match(content) or any(mark in content for mark in _HOLDS_MORE):
        more = ', and the XMP that tells of it' if told else ''
        notes.append(f'the video or HDR gain map behind its pixels is left out{more}')
    if told:
        metadata = metadata.without('xmp')
    elif metadata.xmp and b'HasExtendedXMP' in metadata.xmp:
        notes.append('the part of its XMP beyond 64 KiB is left out')
    return metadata, tuple(notes)


def upright_xmp(xmp: bytes | None) -> bytes | None:
    """Set the orientation in an XMP packet to 1, as the pixels will be upright; the packet keeps its length."""
    return xmp and re.sub(rb'(tiff:Orientation(?:\s*=\s*["\']|>))[2-8](?=["\'<])', rb'\g<1>1', xmp)


def upright(exif: bytes | None) -> bytes | None:
    """Set the orientation of an EXIF block to 1, as the pixels are upright; None if it cannot be read.

    Nothing else is written anew: maker notes hold places within the block, and would break if it moved. The small
    preview in it is cut off where it lies on its side.
    """
    if not exif:
        return None
    block = bytearray(exif.removeprefix(EXIF_MARK))
    try:
        order = {b'II*\0': '<', b'MM\0*': '>'}[bytes(block[:4])]
        place = struct.unpack_from(f'{order}I', block, 4)[0]
        count = struct.unpack_from(f'{order}H', block, place)[0]
        # An entry is a tag, a type, a count and a value or its place in the block: 12 bytes. After the entries comes
        # the place of the next directory, that of the preview.
        after = place + 2 + 12 * count
        for entry in range(place + 2, after, 12):
            tag, _, _, value = struct.unpack_from(f'{order}HHIH', block, entry)
            if tag == Base.Orientation and value != 1:
                struct.pack_into(f'{order}HIHH', block, entry + 2, 3, 1, 1, 0)
                struct.pack_into(f'{order}I', block, after, 0)
    except (KeyError, struct.error):  # damaged metadata must not keep an image from being denoised
        return None
    return EXIF_MARK + bytes(block)


def exif_resolution(exif: bytes | None) -> tuple[float, float] | None:
    """Read the dots an inch that an EXIF block tells; None if it tells none, or is damaged."""
    try:
        tags = Image.Exif()
        tags.load(exif or b'')
        scale = {2: 1, 3: 2.54}[tags.get(Base.ResolutionUnit, 2)]
        return float(tags[Base.XResolution]) * scale, float(tags[Base.YResolution]) * scale
    except Exception:
        return None


def read_tiff_exif(file: BinaryIO) -> bytes | None:
    """Read the EXIF of a TIFF file's image, without what describes the storage of pixels; None if there is none."""
    try:
        return pack(read_tags(file))
    except Exception:  # damaged metadata of any kind must not keep an image from being denoised
        return None


def read_tags(source: bytes | BinaryIO) -> dict[int, object]:
    """List what an EXIF block or a TIFF file says of the camera and the image, by tag; any error if it is damaged.

    Sub-directories are dictionaries. Names and notes become bytes, as programs write UTF-8 where EXIF says ASCII.
    """
    exif = Image.Exif()
    if isinstance(source, bytes):
        exif.load(source)
    else:
        source.seek(0)
        exif.load_from_fp(source)
    tags: dict[int, object] = {
        tag: value.encode('latin-1', 'replace') if isinstance(value, str) else value
        for tag, value in exif.items()
        if tag in IMAGE_TAGS
    }
    for tag in SUB_DIRECTORIES:
        if directory := exif.get_ifd(tag):
            tags[tag] = dict(directory)
        else:
            tags.pop(tag, None)
    return tags


def pack(tags: Mapping[int, object]) -> bytes | None:
    """Make an EXIF block of tags; None if there are none."""
    exif = Image.Exif()
    exif.update(tags)
    return exif.tobytes() if tags else None
