"""Training reads what denoising reads; encoded images are looked at before they are decoded."""

import io
import resource
import signal
import struct
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import cv2
import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from amsnet_basicsr.images import ImageError, decode_image, read_image, read_size
from amsnet_basicsr.images.decoders.opencv import decode_plain
from tests.conftest import noisy_image
from tests.hostile_files import jpeg_of_many_scans, jpeg_that_claims, png_that_claims
from tests.images.samples import CASES, exif, pixels

IMAGE = Image.fromarray(noisy_image(24, 33, 0))


def encoded(kind: str, image: Image.Image = IMAGE, **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def tiff(dtype: type = np.uint16, channels: int = 3, **settings) -> bytes:
    buffer = io.BytesIO()
    data = pixels(24, 33, channels, dtype)
    if settings.get('planarconfig') == 'separate':
        data = np.moveaxis(data, -1, 0)
    settings = {'photometric': 'rgb' if channels > 2 else 'minisblack', **settings}
    tifffile.imwrite(buffer, data[..., 0] if channels == 1 else data, **settings)
    return buffer.getvalue()


PLAIN = {
    'png': encoded('PNG'),
    'jpeg': encoded('JPEG'),
    'grey png': encoded('PNG', IMAGE.convert('L')),
    'grey jpeg': encoded('JPEG', IMAGE.convert('L')),
    'progressive': encoded('JPEG', progressive=True),
    'turned jpeg': encoded('JPEG', exif=exif(6)),
    'thumbnail': encoded('JPEG', exif=b'Exif\0\0MM\0*\0\0\0\x08\0\0' + encoded('JPEG')),
    'restarts': cv2.imencode('.jpg', noisy_image(24, 33, 0), [cv2.IMWRITE_JPEG_RST_INTERVAL, 1])[1].tobytes(),
}
OTHERS = {
    'turned png': encoded('PNG', exif=exif(6)),
    'deep png': cv2.imencode('.png', pixels(24, 33, 3, np.uint16))[1].tobytes(),
    'png with alpha': encoded('PNG', Image.fromarray(pixels(24, 33, 4))),
    'palette png': encoded('PNG', IMAGE.quantize(12)),
    'one-bit png': encoded('PNG', IMAGE.convert('1')),
    'bmp': encoded('BMP'),
    'gif': encoded('GIF'),
    'avif': encoded('AVIF'),
    'lossy webp': encoded('WEBP'),
    'turned webp': encoded('WEBP', exif=exif(8)),
    'lossless webp': encoded('WEBP', lossless=True),
    'webp with alpha': encoded('WEBP', IMAGE.convert('RGBA'), icc_profile=b'x'),
    'tiff': encoded('TIFF'),
    'jpeg in tiff': encoded('TIFF', compression='jpeg'),
    'fax in tiff': encoded('TIFF', IMAGE.convert('1'), compression='group4'),
    'big-endian tiff': tiff(byteorder='>'),
    'bigtiff': tiff(bigtiff=True),
    'big-endian bigtiff': tiff(bigtiff=True, byteorder='>'),
    'tiled tiff': tiff(np.uint8, tile=(16, 16)),
    'planar tiff': tiff(planarconfig='separate'),
    'white is 0': tiff(channels=1, photometric='miniswhite'),
    'tiff with alpha': tiff(np.uint8, 4, extrasamples=['unassalpha']),
}
KINDS = PLAIN | OTHERS


@pytest.mark.parametrize('kind', KINDS)
def test_training_reads_what_denoising_reads(tmp_path, kind):
    (tmp_path / 'a').write_bytes(KINDS[kind])
    decoded, read = decode_image(KINDS[kind], 'x'), read_image(tmp_path / 'a').pixels
    assert decoded.shape[:2] == ((33, 24) if 'turned' in kind else (24, 33)) and decoded.shape[2] == 3
    assert decoded.dtype == read.dtype
    # libjpeg-turbo is in both libraries, maybe in two versions.
    assert np.abs(decoded.astype(int) - read).max() <= ('jpeg' in kind)
    assert (decode_plain(KINDS[kind]) is not None) == (kind in PLAIN)


@pytest.mark.parametrize('name', ['planar_16bit.tif', 'min_is_white_16bit.tif'])
def test_tiffs_as_other_programs_read_them(name):
    expected = tifffile.imread(CASES / name)
    expected = np.moveaxis(expected, 0, -1) if expected.ndim == 3 else np.repeat(65535 - expected[..., None], 3, axis=2)
    assert np.array_equal(decode_image((CASES / name).read_bytes(), name), expected)


def _read_all(_: object) -> list[int]:
    signal.alarm(30)  # instead of waiting for ever for threads that a fork has not taken along
    sums = [int(decode_image(content, 'x').sum()) for content in KINDS.values()]
    signal.alarm(0)
    return sums


def test_every_kind_is_read_after_a_fork(tmp_path):
    """Data workers are forked from a process that has read images, and maybe written some by libvips' own threads."""
    with ThreadPoolExecutor(2) as pool:
        expected = next(iter(pool.map(_read_all_here, range(2))))
    pyvips.Image.black(2000, 2000, bands=3).gaussblur(2).write_to_memory()
    with get_context('fork').Pool(2) as pool:
        for sums in pool.map(_read_all, range(4)):
            assert sums == expected


def _read_all_here(_: object) -> list[int]:
    return [int(decode_image(content, 'x').sum()) for content in KINDS.values()]


@pytest.mark.parametrize('kind', KINDS)
def test_what_breaks_off_is_refused(kind):
    for end in (*range(1, 60), *(int(len(KINDS[kind]) * share) for share in (0.4, 0.8, 0.97))):
        content = KINDS[kind][:end]
        if 'tiff' in kind or kind == 'white is 0':  # its directory may stand anywhere: take the last pixels away
            content = content[: min(end, len(KINDS[kind]) // 2)]
        try:
            decode_image(content, 'x')
        except ValueError as error:
            assert str(error).startswith('x: ') and str(error).isprintable()
        else:  # what is missing are not pixels
            assert end > 0.9 * len(KINDS[kind]) and kind in ('gif', 'avif', 'one-bit png')


def test_a_tiff_without_all_of_its_pixels_is_named_when_sizes_are_compared(tmp_path):
    (tmp_path / 'a.tif').write_bytes(OTHERS['planar tiff'][:-1])
    with pytest.raises(ImageError, match=r'a\.tif: damaged or cut off \(pixels are missing\)$'):
        read_size(tmp_path / 'a.tif')


@pytest.mark.parametrize('kind', ['jpeg', 'progressive', 'thumbnail', 'restarts'])
def test_a_jpeg_must_come_to_its_end(kind):
    """OpenCV 4 fills the rest with grey."""
    assert decode_image(PLAIN[kind] + b'whatever cameras append', 'x').shape == (24, 33, 3)
    with pytest.raises(ValueError, match='damaged or cut off'):
        decode_image(PLAIN[kind][:-2], 'x')


def test_a_jpeg_of_many_scans_is_refused_by_both_readers(tmp_path):
    """Each scan decodes the whole image anew: a file of a megabyte would take minutes."""
    content = jpeg_of_many_scans(300)
    (tmp_path / 'a.jpg').write_bytes(content)
    with pytest.raises(ValueError, match='100 scans'):
        decode_image(content, 'x')
    with pytest.raises(ValueError, match='scans'):
        read_image(tmp_path / 'a.jpg')
    assert decode_image(jpeg_of_many_scans(40), 'x').shape == (16, 16, 3)


def test_only_known_formats_are_decoded():
    """OpenCV and libvips recognise dozens more, whatever the name of the file says."""
    for content in (
        encoded('PPM'),
        b'#?RADIANCE\n',
        b'\x76\x2f\x31\x01',
        b'text',
        b'RIFF\0\0\0\0WAVEfmt ',
        (CASES / 'svg_inside.jpg').read_bytes(),
    ):
        with pytest.raises(ValueError, match=r'^x: not an image in a format that can be read$'):
            decode_image(content, 'x')
    with pytest.raises(ValueError, match=r'^x: the file is empty$'):
        decode_image(b'', 'x')
    with pytest.raises(pyvips.Error):  # for the whole process
        pyvips.Image.svgload_buffer(b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>')


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
        PLAIN['png'][:33] + PLAIN['png'][8:],  # a second header may claim another size
    ],
)
def test_damaged_headers(content):
    with pytest.raises(ValueError, match=r'^x: damaged or cut off'):
        decode_image(content, 'x')


def test_a_chunk_that_claims_gigabytes_takes_no_memory():
    """Found by fuzzing: OpenCV 5 took 1.2 GB for a PNG of 1.5 KB, as long as its pixels said that they were."""
    content = bytearray(PLAIN['png'])
    place = content.index(b'IDAT') - 4
    content[place : place + 4] = struct.pack('>I', 0x7FFFFFFF)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match='damaged or cut off'):
        decode_image(bytes(content), 'x')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def large_tiff() -> bytes:
    content = tiff()
    for tag, side in ((256, 33), (257, 24)):
        content = content.replace(struct.pack('<HHII', tag, 4, 1, side), struct.pack('<HHII', tag, 4, 1, 60000))
    return content


def bombs() -> dict[str, bytes]:
    """Small files of each kind that claim 60000×60000 pixels."""
    bmp = bytearray(OTHERS['bmp'])
    bmp[18:26] = struct.pack('<ii', 60000, -60000)
    return {
        'png': png_that_claims(60000, 60000),
        'jpeg': jpeg_that_claims(PLAIN['jpeg'], 60000, 60000),
        'bmp': bytes(bmp),
        'tiff': large_tiff(),
    }


def test_bombs_are_refused_before_memory_is_taken(monkeypatch):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in bombs().values():
        with pytest.raises(ValueError, match=r'^x: it says it has 60000×60000 pixels') as caught:
            decode_image(content, 'x')
        assert str(caught.value).endswith('if it really is that large, set AMSNET_MAX_MEGAPIXELS=3600')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024
    monkeypatch.setenv('AMSNET_MAX_MEGAPIXELS', '0.0005')
    with pytest.raises(ValueError, match='more than the limit of 0 million'):
        decode_image(PLAIN['png'], 'x')
    monkeypatch.setenv('AMSNET_MAX_MEGAPIXELS', '1')
    assert decode_image(PLAIN['png'], 'x').shape == (24, 33, 3)
    monkeypatch.setenv('AMSNET_MAX_MEGAPIXELS', 'lots')
    with pytest.raises(ValueError, match=r"AMSNET_MAX_MEGAPIXELS must be a number of millions .* got 'lots'"):
        decode_image(PLAIN['png'], 'x')


def test_a_size_that_the_decoder_itself_refuses_is_told_in_a_line():
    chunk = b'VP8X' + struct.pack('<I', 10) + bytes(4) + (16382).to_bytes(3, 'little') * 2
    content = b'RIFF' + struct.pack('<I', 4 + len(chunk)) + b'WEBP' + chunk
    with pytest.raises(ImageError, match=r'^the image: ') as caught:
        decode_image(content + chunk, 'the image')
    assert str(caught.value).isprintable()
