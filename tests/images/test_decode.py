"""Encoded images are looked at before they are decoded."""

import io
import resource
import struct

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from amsnet_basicsr.images.decode import decode_image
from amsnet_basicsr.images.header import HeaderError, read_size
from tests.conftest import noisy_image
from tests.hostile_files import jpeg_that_claims, png_that_claims

IMAGE = Image.fromarray(noisy_image(24, 33, 0))


def encoded(kind: str, image: Image.Image = IMAGE, **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def tiff(**settings) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((24, 33, 3), np.uint16), photometric='rgb', **settings)
    return buffer.getvalue()


KINDS = {
    'png': encoded('PNG'),
    'jpeg': encoded('JPEG'),
    'progressive': encoded('JPEG', progressive=True),
    'thumbnail': encoded('JPEG', exif=b'Exif\0\0MM\0*\0\0\0\x08\0\0' + encoded('JPEG')),
    'restarts': cv2.imencode('.jpg', noisy_image(24, 33, 0), [cv2.IMWRITE_JPEG_RST_INTERVAL, 1])[1].tobytes(),
    'bmp': encoded('BMP'),
    'lossy webp': encoded('WEBP'),
    'lossless webp': encoded('WEBP', lossless=True),
    'webp with alpha': encoded('WEBP', IMAGE.convert('RGBA'), icc_profile=b'x'),
    'tiff': encoded('TIFF'),
    'big-endian tiff': tiff(byteorder='>'),
    'bigtiff': tiff(bigtiff=True),
    'big-endian bigtiff': tiff(bigtiff=True, byteorder='>'),
}


@pytest.mark.parametrize('kind', KINDS)
def test_sizes_are_those_of_the_decoded_image(kind):
    assert read_size(KINDS[kind]) == (33, 24)
    assert decode_image(KINDS[kind], 'x').shape == (24, 33, 3)
    for end in range(1, 60):
        with pytest.raises(ValueError):
            decode_image(KINDS[kind][:end], 'x')


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('share', [0.4, 0.8, 0.97])
def test_what_breaks_off_is_refused(kind, share):
    content = KINDS[kind]
    if 'tiff' in kind:  # its directory may stand anywhere: take the last pixels away
        content = content[: len(content) // 2]
    with pytest.raises(ValueError, match=r'^x is not an image that can be read: .* \(\d+ bytes\)$'):
        decode_image(content[: int(len(content) * share)], 'x')


@pytest.mark.parametrize('kind', ['jpeg', 'progressive', 'thumbnail', 'restarts'])
def test_a_jpeg_must_come_to_its_end(kind):
    """OpenCV 4 fills the rest with grey."""
    content = KINDS[kind]
    assert read_size(content + b'whatever cameras append') == (33, 24)
    with pytest.raises(HeaderError, match='it breaks off'):
        read_size(content[:-2])


def test_only_formats_that_people_keep_images_in_are_decoded():
    """OpenCV recognises a dozen more, whatever the name of the file says."""
    for content in (
        encoded('GIF'),
        encoded('PPM'),
        b'#?RADIANCE\n',
        b'\x76\x2f\x31\x01',
        b'text',
        b'RIFF\0\0\0\0WAVEfmt ',
    ):
        with pytest.raises(ValueError, match='it is no PNG, JPEG, BMP, TIFF or WebP image'):
            decode_image(content, 'x')


@pytest.mark.parametrize(
    'content',
    [
        b'II+\0\x08\0\0\0' + b'\xff' * 100,  # found by fuzzing: a directory beyond any file
        b'II*\0' + struct.pack('<IH', 8, 2**16 - 1) + bytes(40),
        b'II*\0' + struct.pack('<IHHHII', 8, 1, 256, 99, 1, 5) + bytes(4),
        b'BM' + bytes(12),
        b'RIFF\0\0\0\0WEBPVP8X',
        b'\x89PNG\r\n\x1a\n\0\0\0\rIDAT' + bytes(50),
        b'\xff\xd8\xff\xc0\0',
        b'\xff\xd8\xff\xe0\xff\xff',
    ],
)
def test_damaged_headers(content):
    with pytest.raises(HeaderError, match='its header is damaged'):
        read_size(content)
    with pytest.raises(ValueError, match=r'^x is not an image that can be read'):
        decode_image(content, 'x')


def test_a_chunk_that_claims_gigabytes_takes_no_memory():
    """Found by fuzzing: OpenCV 5 took 1.2 GB for a PNG of 1.5 KB, as long as its pixels said that they were."""
    content = bytearray(KINDS['png'])
    place = content.index(b'IDAT') - 4
    content[place : place + 4] = struct.pack('>I', 0x7FFFFFFF)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match='it breaks off'):
        decode_image(bytes(content), 'x')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024
    with pytest.raises(HeaderError, match='its header is damaged'):
        read_size(KINDS['png'][:33] + KINDS['png'][8:])  # a second header may claim another size


def bombs() -> dict[str, bytes]:
    """Small files of each kind that claim 60000×60000 pixels."""
    bmp = bytearray(KINDS['bmp'])
    bmp[18:26] = struct.pack('<ii', 60000, -60000)
    sides = b''.join(struct.pack('<HHII', tag, 4, 1, 60000) for tag in (256, 257))
    return {
        'png': png_that_claims(60000, 60000),
        'jpeg': jpeg_that_claims(KINDS['jpeg'], 60000, 60000),
        'bmp': bytes(bmp),
        'tiff': b'II*\0' + struct.pack('<IH', 8, 2) + sides + bytes(4),
    }


def test_bombs_are_refused_before_memory_is_taken(monkeypatch):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in bombs().values():
        with pytest.raises(ValueError, match=r'^x is refused: it says it has 60000×60000 pixels') as caught:
            decode_image(content, 'x')
        assert str(caught.value).endswith('if it really is that large, set AMSNET_MAX_MEGAPIXELS=3600')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024
    monkeypatch.setenv('AMSNET_MAX_MEGAPIXELS', '0.0005')
    with pytest.raises(ValueError, match='more than the limit of 0 million'):
        decode_image(KINDS['png'], 'x')
    monkeypatch.setenv('AMSNET_MAX_MEGAPIXELS', '1')
    assert decode_image(KINDS['png'], 'x').shape == (24, 33, 3)
    monkeypatch.setenv('AMSNET_MAX_MEGAPIXELS', 'lots')
    with pytest.raises(ValueError, match=r"AMSNET_MAX_MEGAPIXELS must be a number of millions .* got 'lots'"):
        decode_image(KINDS['png'], 'x')
