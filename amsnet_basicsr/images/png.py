"""PNG files: their chunks, whether they are undamaged, and writing noise fast."""

import struct
import zlib
from typing import Any, BinaryIO

import cv2
import numpy as np

#: Bytes at the start of a file that hold the header.
HEADER_BYTES = 33
#: Compression level, as BasicSR's own tools use it and as the third column of meta_info.txt says.
LEVEL = 1
_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_COLOUR = (b'gAMA', b'cHRM', b'sRGB', b'cICP')
# Noise has no repetitions: looking for them costs three times the time. Measured on noisy patches of SIDD validation,
# 512×512: 6.5 ms and 0.740 of the raw size (smallest of all filters), against 22 ms and 0.774 at level 1 alone.
_FAST = [cv2.IMWRITE_PNG_COMPRESSION, LEVEL, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]
if hasattr(cv2, 'IMWRITE_PNG_FILTER'):  # not in older versions of OpenCV
    _FAST += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG]


def read_size(header: bytes) -> tuple[int, int]:
    """Read height and width of an 8 bit RGB image from the first `HEADER_BYTES` of a PNG file.

    Raises:
        ValueError: If it is no PNG, or not 8 bit RGB.
    """
    if len(header) < HEADER_BYTES or not header.startswith(_SIGNATURE) or header[12:16] != b'IHDR':
        raise ValueError('it is no PNG')
    width, height, depth, colour = struct.unpack('>IIBB', header[16:26])
    if (depth, colour) != (8, 2):
        raise ValueError('it is a PNG, but not 8 bit RGB')
    return height, width


def check_undamaged(content: bytes) -> None:
    """Verify the check sums of a PNG.

    Decoders differ in what they make of a damaged file; some return what they could read.

    Raises:
        ValueError: If it breaks off or a check sum differs.
    """
    if not content.startswith(_SIGNATURE):
        raise ValueError('it is no PNG')
    view, position, kind = memoryview(content), len(_SIGNATURE), b''
    while kind != b'IEND':
        if position + 12 > len(content):
            raise ValueError(f'the PNG breaks off after {len(content)} bytes')
        (length,) = struct.unpack_from('>I', content, position)
        end = position + 8 + length
        if end + 4 > len(content):
            raise ValueError(f'the PNG breaks off after {len(content)} bytes')
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from('>I', content, end)[0]:
            raise ValueError('the PNG is damaged: a check sum is wrong')
        kind, position = content[position + 4 : position + 8], end + 4


def decode(content: bytes) -> np.ndarray:
    """Decode an undamaged 8 bit RGB PNG as BGR, (H, W, 3), uint8; an EXIF orientation is ignored.

    Raises:
        ValueError: If it is damaged or of another kind.
    """
    size = read_size(content[:HEADER_BYTES])
    check_undamaged(content)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None
    if image is None or image.shape[:2] != size:
        raise ValueError('the PNG cannot be decoded')
    return image


def encode_noise(image: np.ndarray) -> bytes:
    """Encode a noisy image, BGR (H, W, 3) uint8 or uint16, as PNG."""
    return cv2.imencode('.png', image, _FAST)[1].tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Make a chunk of a PNG."""
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def read_png_head(file: BinaryIO) -> dict[str, Any]:
    """Read `resolution`, `density` and `png_colour` of `Metadata` from a PNG, which libvips passes over."""
    found: dict[str, Any] = {'resolution': None}  # libvips makes one up
    colour = b''
    file.seek(len(_SIGNATURE))
    while len(head := file.read(8)) == 8 and head[4:] != b'IDAT':
        length, kind = struct.unpack('>I4s', head)
        if kind not in _COLOUR and kind != b'pHYs':
            file.seek(length + 4, 1)
            continue
        body = file.read(length)
        file.seek(4, 1)
        if kind in _COLOUR:
            colour += chunk(kind, body)
        elif length == 9:
            *density, unit = struct.unpack('>IIB', body)
            if unit == 1:
                found['resolution'] = tuple(round(value * 0.0254, 3) for value in density)
            elif density != [1, 1]:
                found['density'] = tuple(density)
    return {**found, 'png_colour': colour}
