"""What encoded images say of themselves, read before any pixel is: format, size, whether they break off.

OpenCV decodes whatever it recognises, whatever the file is called, and allocates what the header asks for; OpenCV 4
fills what is missing of a JPEG with grey. So the five formats that people keep images in are looked at first.
"""

import re
import struct

_MARKER = re.compile(rb'\xff[^\x00\xff]')
#: JPEG's frame headers: all of C0 to CF but DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TIFF_NUMBERS = {3: 'H', 4: 'I', 16: 'Q'}


class HeaderError(ValueError):
    """Bytes that are no image of these formats, or a damaged one; the message says why."""


def read_size(content: bytes) -> tuple[int, int]:
    """Read the size from the header of a PNG, JPEG, BMP, TIFF or WebP file.

    Args:
        content: The whole file.

    Returns:
        Width and height as they are stored, before any EXIF orientation.

    Raises:
        HeaderError: If it is no such file, its header is damaged, or it is a JPEG that breaks off.
    """
    for signature, reader in _READERS:
        if content.startswith(signature):
            try:
                width, height = reader(content)
            except (struct.error, LookupError, OverflowError):
                raise HeaderError('its header is damaged') from None
            if width < 1 or height < 1:
                raise HeaderError(f'it says it has {width}×{height} pixels')
            return width, height
    raise HeaderError('it is no PNG, JPEG, BMP, TIFF or WebP image')


def _png(content: bytes) -> tuple[int, int]:
    """Go from chunk to chunk: OpenCV 5 takes memory for what a chunk claims, up to 4 GB, before it finds it missing."""
    size, place, kind = None, 8, b''
    while kind != b'IEND':
        length, kind = struct.unpack_from('>I4s', content, place)
        if (kind == b'IHDR') != (size is None):  # first, and once
            raise HeaderError('its header is damaged')
        if place + 12 + length > len(content):
            raise HeaderError('it breaks off')
        if size is None:
            size = struct.unpack_from('>II', content, place + 8)
        place += 12 + length
    return size


def _bmp(content: bytes) -> tuple[int, int]:
    if struct.unpack_from('<I', content, 14)[0] == 12:  # OS/2
        return struct.unpack_from('<HH', content, 18)
    width, height = struct.unpack_from('<ii', content, 18)
    return width, abs(height)  # negative: from the top down


def _webp(content: bytes) -> tuple[int, int]:
    kind = content[12:16]
    if content[8:12] != b'WEBP':
        raise HeaderError('it is no PNG, JPEG, BMP, TIFF or WebP image')
    if kind == b'VP8 ':
        width, height = struct.unpack_from('<HH', content, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b'VP8L':
        bits = struct.unpack_from('<I', content, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b'VP8X':
        width, height = (struct.unpack('<I', content[at : at + 3] + b'\0')[0] + 1 for at in (24, 27))
        return width, height
    raise HeaderError('its header is damaged')


def _tiff(content: bytes) -> tuple[int, int]:
    order = '<' if content.startswith(b'II') else '>'
    big = content[2:4] in (b'+\0', b'\0+')
    # An entry is a tag, a type, a count and a value: 12 bytes, in BigTIFF 20.
    count_kind, length, value_at = ('Q', 20, 12) if big else ('H', 12, 8)
    place = struct.unpack_from(f'{order}Q', content, 8)[0] if big else struct.unpack_from(f'{order}I', content, 4)[0]
    count = struct.unpack_from(order + count_kind, content, place)[0]
    start = place + struct.calcsize(count_kind)
    found = {}
    for entry in range(start, start + length * min(count, 1000), length):
        tag, kind = struct.unpack_from(f'{order}HH', content, entry)
        if tag in (256, 257) and tag not in found:
            found[tag] = struct.unpack_from(order + _TIFF_NUMBERS[kind], content, entry + value_at)[0]
        if len(found) == 2:
            break
    return found[256], found[257]


def _jpeg(content: bytes) -> tuple[int, int]:
    """Go from marker to marker: the frame header tells the size, and the end of the image must come after it."""
    size, place = None, 2
    while match := _MARKER.search(content, place):
        marker, place = content[match.start() + 1], match.end()
        if marker == 0xD9 and size is not None:
            return size
        if marker == 1 or 0xD0 <= marker <= 0xD9:  # these have no content
            continue
        if marker in _FRAMES and size is None:
            height, width = struct.unpack_from('>HH', content, place + 3)
            size = width, height
        place += max(2, struct.unpack_from('>H', content, place)[0])
    raise HeaderError('it breaks off' if size is not None else 'its header is damaged')


_READERS = (
    (b'\x89PNG\r\n\x1a\n', _png),
    (b'\xff\xd8\xff', _jpeg),
    (b'BM', _bmp),
    (b'RIFF', _webp),
    (b'II*\0', _tiff),
    (b'MM\0*', _tiff),
    (b'II+\0', _tiff),
    (b'MM\0+', _tiff),
)
