"""Real files of other programs' making come in as they are, or are refused in one line."""

import os
import resource
import struct
import subprocess
import sys
import warnings
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from amsnet_basicsr.images import ImageData, ImageError, decode_image, read_image, write_image
from amsnet_basicsr.images.decoders import pillow
from tests.hostile_files import jpeg_that_claims, png_that_claims
from tests.images.samples import CASES, ICC, XMP, exif, pixels


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_pixels_of_opencv_and_tifffile(tmp_path, suffix, channels, dtype):
    expected = pixels(channels=channels, dtype=dtype)
    path = tmp_path / f'a.{suffix}'
    if suffix == 'png':
        cv2.imwrite(str(path), expected[..., ::-1])
    else:
        tifffile.imwrite(path, expected[..., 0] if channels == 1 else expected, byteorder='>')
    image = read_image(path)
    assert image.pixels.dtype == dtype and image.bits == 8 * expected.itemsize and image.grey == (channels == 1)
    assert np.array_equal(image.pixels, expected) and image.alpha is None
    assert image.pixels.flags.writeable and image.pixels.flags.c_contiguous


@pytest.mark.parametrize('suffix', ['jpg', 'webp', 'avif', 'bmp', 'png', 'tif'])
def test_pixels_of_pillow(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(pixels()).save(path, **({'subsampling': '4:4:4'} if suffix == 'avif' else {}))
    difference = read_image(path).pixels.astype(int) - np.asarray(Image.open(path).convert('RGB'))
    assert np.abs(difference).max() <= (0 if suffix in ('bmp', 'png', 'tif') else 3)  # decoders differ by rounding


@pytest.mark.parametrize('suffix', ['png', 'webp', 'tif'])
def test_alpha_is_kept_apart(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    expected = pixels(channels=4)
    Image.fromarray(expected).save(path, **({'lossless': True, 'exact': True} if suffix == 'webp' else {}))
    image = read_image(path)
    assert np.array_equal(image.pixels, expected[..., :3]) and np.array_equal(image.alpha, expected[..., 3])


def test_grey_with_alpha_and_16_bit_with_alpha(tmp_path):
    Image.fromarray(pixels(channels=2)).save(tmp_path / 'a.png')
    image = read_image(tmp_path / 'a.png')
    assert image.grey and np.array_equal(image.alpha, pixels(channels=2)[..., 1])
    deep = pixels(channels=4, dtype=np.uint16)
    tifffile.imwrite(tmp_path / 'b.tif', deep, photometric='rgb', extrasamples=['unassalpha'])
    image = read_image(tmp_path / 'b.tif')
    assert np.array_equal(np.dstack([image.pixels, image.alpha]), deep)


def test_palettes_become_rgb_and_one_bit_grey(tmp_path):
    image = Image.fromarray(pixels())
    one_bit = image.convert('1')
    for name in ('a.png', 'a.bmp', 'a.tif', 'a.gif'):
        image.quantize(16).save(tmp_path / name)
        assert np.array_equal(read_image(tmp_path / name).pixels, np.asarray(image.quantize(16).convert('RGB')))
    for name in ('a.png', 'a.bmp', 'a.tif'):
        one_bit.save(tmp_path / name)
        assert np.array_equal(read_image(tmp_path / name).pixels[..., 0], np.asarray(one_bit) * 255)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', ['jpg', 'png', 'tif', 'webp', 'avif'])
def test_images_come_in_upright(tmp_path, suffix, orientation):
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(pixels(24, 40)).save(path, exif=exif(orientation), quality=100, subsampling='4:4:4')
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    image = read_image(path)
    assert image.pixels.shape == upright.shape
    assert np.abs(image.pixels.astype(int) - upright).max() <= 3
    seen = Image.Exif()
    seen.load(image.metadata.exif)
    assert seen.get(0x0112, 1) == 1 and seen[0x010F] == 'Camera Works'


def test_xmp_does_not_turn_the_image_again(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / 'a.jpg', exif=exif(6), xmp=XMP % 6, icc_profile=ICC, dpi=(300, 300))
    metadata = read_image(tmp_path / 'a.jpg').metadata
    assert metadata.xmp == XMP % 1
    assert metadata.icc == ICC and metadata.resolution == (300, 300)


@pytest.mark.parametrize(
    'name', ['with space.png', 'zoë 写真.png', 'a[0-9].png', 'line\nend.png', 'a[n=2].png', '-o.png']
)
def test_any_name_will_do(tmp_path, name):
    Image.fromarray(pixels()).save(tmp_path / name)
    assert np.array_equal(read_image(tmp_path / name).pixels, pixels())


def test_names_that_are_no_text(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b'caf\xe9.png')
    with open(path, 'wb') as file:
        Image.fromarray(pixels()).save(file, 'PNG')
    assert np.array_equal(read_image(os.fsdecode(path)).pixels, pixels())


@pytest.mark.parametrize('share', [0.3, 0.6, 0.95])
@pytest.mark.parametrize('suffix', ['jpg', 'png', 'tif', 'webp', 'avif', 'bmp'])
def test_files_that_break_off(tmp_path, suffix, share):
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(pixels(100, 100)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageError, match='damaged or cut off') as caught:
        read_image(path)
    assert str(caught.value).startswith(f'{path}: ') and '\n' not in str(caught.value)


def test_a_reason_is_not_that_of_an_earlier_image(tmp_path):
    for name in ('a.avif', 'b.jpg'):
        Image.fromarray(pixels()).save(tmp_path / name)
    content = (tmp_path / 'b.jpg').read_bytes()
    (tmp_path / 'b.jpg').write_bytes(content[: len(content) // 2])
    read_image(tmp_path / 'a.avif')  # leaves a message in libvips though nothing is wrong
    with pytest.raises(ImageError, match='premature end of JPEG image'):
        read_image(tmp_path / 'b.jpg')


def test_a_message_that_is_not_utf_8_fails_no_later_image(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / 'a.avif', exif=exif(6))
    (tmp_path / 'a.avif').write_bytes((tmp_path / 'a.avif').read_bytes().replace(b'irot', b'ir\x80t'))
    with pytest.raises(ImageError):
        read_image(tmp_path / 'a.avif')
    write_image(tmp_path / 'b.png', ImageData(pixels()))
    assert np.array_equal(read_image(tmp_path / 'b.png').pixels, pixels())


def test_what_is_refused_is_named(tmp_path):
    image = Image.fromarray(pixels())
    image.convert('CMYK').save(tmp_path / 'cmyk.jpg')
    image.convert('CMYK').save(tmp_path / 'cmyk.tif')
    image.convert('LAB').save(tmp_path / 'lab.tif')
    tifffile.imwrite(tmp_path / 'float.tif', pixels().astype(np.float32), photometric='rgb')
    tifffile.imwrite(tmp_path / 'signed.tif', pixels().astype(np.int16), photometric='rgb')
    tifffile.imwrite(tmp_path / 'five.tif', pixels(channels=5), photometric='minisblack', planarconfig='contig')
    image.save(tmp_path / 'pages.tif', save_all=True, append_images=[image])
    image.save(tmp_path / 'frames.webp', save_all=True, append_images=[Image.fromarray(255 - pixels())])
    (tmp_path / 'text.png').write_text('Not an image\n')
    (tmp_path / 'empty.png').write_bytes(b'')
    (tmp_path / 'folder.png').mkdir()
    os.mkfifo(tmp_path / 'pipe.png')
    for name, reason in (
        ('cmyk.jpg', 'CMYK; convert it to RGB'),
        ('cmyk.tif', 'CMYK; convert it to RGB'),
        ('lab.tif', 'CIELAB; convert it to RGB'),
        ('float.tif', 'floating point'),
        ('signed.tif', 'signed'),
        ('five.tif', ''),
        ('pages.tif', '2 pages or frames'),
        ('frames.webp', '2 pages or frames'),
        ('text.png', 'not an image'),
        ('empty.png', 'the file is empty'),
        ('folder.png', 'it is a folder'),
        ('pipe.png', 'no regular file'),
        ('missing.png', 'No such file'),
    ):
        with pytest.raises(ImageError) as caught:
            read_image(tmp_path / name)
        message = str(caught.value)
        assert message.startswith(f'{tmp_path / name}: ') and reason in message and '\n' not in message


def test_a_file_that_claims_a_huge_size_is_refused_before_decoding(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))

    head = chunk(b'IHDR', struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0))
    (tmp_path / 'a.png').write_bytes(
        b'\x89PNG\r\n\x1a\n' + head + chunk(b'IDAT', zlib.compress(b'')) + chunk(b'IEND', b'')
    )
    with pytest.raises(ImageError, match=r'60000×60000 pixels, more than the limit of 537 million'):
        read_image(tmp_path / 'a.png')
    Image.fromarray(pixels(40, 56)).save(tmp_path / 'b.bmp')
    with pytest.raises(ImageError, match='56×40'):
        read_image(tmp_path / 'b.bmp', max_pixels=56 * 40 - 1)
    assert read_image(tmp_path / 'b.bmp', max_pixels=56 * 40).pixels.shape == (40, 56, 3)


def test_the_limit_of_size_can_be_raised_and_costs_no_memory(tmp_path, monkeypatch):
    (tmp_path / 'a.png').write_bytes(png_that_claims(60000, 60000))
    Image.fromarray(pixels()).save(tmp_path / 'b.jpg')
    (tmp_path / 'b.jpg').write_bytes(jpeg_that_claims((tmp_path / 'b.jpg').read_bytes(), 60000, 60000))
    Image.fromarray(pixels()).save(tmp_path / 'c.bmp')
    bmp = bytearray((tmp_path / 'c.bmp').read_bytes())
    bmp[18:26] = struct.pack('<ii', 60000, 60000)
    (tmp_path / 'c.bmp').write_bytes(bmp)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in ('a.png', 'b.jpg', 'c.bmp'):
        with pytest.raises(ImageError, match='60000×60000 pixels') as caught:
            read_image(tmp_path / name)
        assert str(caught.value).endswith('if it really is that large, set AMSNET_MAX_MEGAPIXELS=3600')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024
    monkeypatch.setenv('AMSNET_MAX_MEGAPIXELS', '3600')
    with pytest.raises(ImageError, match='damaged or cut off'):  # it is larger than the file, too
        read_image(tmp_path / 'c.bmp')
    monkeypatch.setenv('AMSNET_MAX_MEGAPIXELS', '-1')
    with pytest.raises(ImageError, match=r'AMSNET_MAX_MEGAPIXELS must be a number .* got .-1.'):
        read_image(tmp_path / 'c.bmp')


@pytest.mark.parametrize(
    'content',
    [
        b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>',
        b'<?xml version="1.0"?><svg width="8" height="8"/>',
        b'1,2,3\n4,5,6\n',
        b'2 2\n1 2\n3 4\n',
        b'\x08\xf2\xa6\xb6' + bytes(100),
        b'%PDF-1.4\n',
    ],
    ids=['svg', 'xml', 'csv', 'matrix', 'vips', 'pdf'],
)
def test_what_is_no_image_is_not_given_to_a_reader(tmp_path, content):
    """The library reads drawings, tables and its own dumps of memory, too."""
    (tmp_path / 'a.png').write_bytes(content)
    with pytest.raises(ImageError, match='not an image in a format that can be read'):
        read_image(tmp_path / 'a.png')


def raw_file(path, reduced=1, version=True):
    """As cameras write it: a preview first, marked as such or not, the sensor's data in a directory below."""
    with tifffile.TiffWriter(path) as file:
        dng = [(50706, 'B', 4, bytes([1, 4, 0, 0]), True), (271, 's', 0, 'Cam', True)] if version else []
        file.write(pixels(96, 128), photometric='rgb', subfiletype=reduced, subifds=1, metadata=None, extratags=dng)
        filters = [(33421, 'H', 2, (2, 2), True), (33422, 'B', 4, bytes([0, 1, 1, 2]), True)]
        sensor = pixels(480, 640, 1, np.uint16)[..., 0] >> 4
        file.write(sensor, photometric=32803, subfiletype=0, metadata=None, extratags=filters)
    return path


@pytest.mark.parametrize(('reduced', 'version'), [(1, True), (0, True), (1, False), (0, False)])
@pytest.mark.parametrize('name', ['camera.dng', 'camera.tif'])
def test_the_thumbnail_of_a_raw_file_is_never_taken_for_it(tmp_path, name, reduced, version, monkeypatch):
    path = raw_file(tmp_path / name, reduced, version)
    monkeypatch.setattr('amsnet_basicsr.images.read.RAWPY', None)
    with pytest.raises(ImageError, match=r"a camera's raw file: .* pip install .amsnet-basicsr\[raw\]"):
        read_image(path)


def test_raw_files_are_developed_with_the_extra(tmp_path):
    pytest.importorskip('rawpy')
    image = read_image(raw_file(tmp_path / 'camera.nef'))
    assert image.pixels.shape == (480, 640, 3) and image.pixels.dtype == np.uint16 and image.notes
    tifffile.imwrite(tmp_path / 'thumbnail.tif', pixels(), photometric='rgb', subfiletype=1)
    with pytest.raises(ImageError, match=r'begins with a thumbnail; LibRaw cannot read it \(Unsupported'):
        read_image(tmp_path / 'thumbnail.tif')


def test_a_pyramid_is_its_largest_image(tmp_path):
    with tifffile.TiffWriter(tmp_path / 'a.tif') as file:
        file.write(pixels(), photometric='rgb', subifds=1, metadata=None)
        file.write(pixels()[::2, ::2].copy(), photometric='rgb', subfiletype=1, metadata=None)
    assert np.array_equal(read_image(tmp_path / 'a.tif').pixels, pixels())


def test_small_copies_behind_an_image_are_no_pages(tmp_path):
    with tifffile.TiffWriter(tmp_path / 'a.tif') as file:
        file.write(pixels(), photometric='rgb', metadata=None)
        file.write(pixels()[::2, ::2].copy(), photometric='rgb', subfiletype=1, metadata=None)
    assert np.array_equal(read_image(tmp_path / 'a.tif').pixels, pixels())


def test_the_sensor_alone_makes_a_raw_file(tmp_path, monkeypatch):
    monkeypatch.setattr('amsnet_basicsr.images.read.RAWPY', None)
    tifffile.imwrite(tmp_path / 'a.pef', pixels(channels=1, dtype=np.uint16)[..., 0], photometric=32803, metadata=None)
    content = bytearray((tmp_path / 'a.pef').read_bytes())
    (tmp_path / 'b.tif').write_bytes(b'II*\0\x08\0\0\0IIIITwaR' + content)  # Phase One's
    for name in ('a.pef', 'b.tif'):
        with pytest.raises(ImageError, match="a camera's raw file"):
            read_image(tmp_path / name)


def test_damaged_metadata_say_nothing_on_stderr(tmp_path):
    code = 'import sys; from amsnet_basicsr.images import read_image; [read_image(path) for path in sys.argv[1:]]'
    paths = [tmp_path / 'a.tif', tmp_path / 'b.webp']
    tifffile.imwrite(paths[0], pixels(), metadata=None)
    Image.fromarray(pixels()).save(paths[1], exif=exif())
    resolution, make = b'\x1a\1\5\0\1\0\0\0', b'\1\x0f\0\2\0\0\0\x0d'
    for path, entry in zip(paths, (resolution, make), strict=True):
        content = path.read_bytes()
        start = content.index(entry) + len(entry)
        path.write_bytes(content[:start] + b'\x7f\xff\xff\x7f' + content[start + 4 :])  # beyond the end
    run = subprocess.run([sys.executable, '-c', code, *paths], capture_output=True, text=True, check=True)
    assert run.stderr == ''


def test_plain_images_make_no_warning_come_again(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / 'a.png')
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter('default')
        for _ in range(3):
            decode_image((tmp_path / 'a.png').read_bytes(), 'a.png')
            warnings.warn('of a training loop', UserWarning, stacklevel=1)
    assert len(shown) == 1


@pytest.mark.parametrize('name', ['deep.heic', 'phone.heic'])
@pytest.mark.parametrize('where', [b'mdat', b'ispe'])  # the pixels and the size
def test_damaged_heic(tmp_path, name, where):
    pytest.importorskip('pi_heif')
    content = (CASES / name).read_bytes()
    start = content.index(where) + 8
    damaged = b'\xff' * (len(content) - start if where == b'mdat' else 1)
    (tmp_path / name).write_bytes(content[:start] + damaged + content[start + len(damaged) :])
    with pytest.raises(ImageError, match='damaged or cut off'):
        read_image(tmp_path / name)


def test_heic_of_10_bits_keeps_them():
    pytest.importorskip('pi_heif')
    image = read_image(CASES / 'deep.heic')
    assert image.pixels.dtype == np.uint16 and image.pixels.shape == (64, 48, 3)  # upright
    expected = np.rot90(pixels(48, 64, dtype=np.uint16), -1)
    assert np.abs(image.pixels.astype(float) - expected).mean() < 20 * 257 and (image.pixels % 257).any()


def test_heic_is_read_with_the_extra(monkeypatch):
    monkeypatch.setattr('amsnet_basicsr.images.read.HEIF', None)
    with pytest.raises(ImageError, match=r'a HEIC file: .*amsnet-basicsr\[heif\]'):
        read_image(CASES / 'phone.heic')
    monkeypatch.undo()
    pytest.importorskip('pi_heif')
    assert np.abs(read_image(CASES / 'phone.heic').pixels.astype(int) - pixels(48, 64)).mean() < 20


def test_grey_with_alpha_keeps_both_through_pillow():
    """As libraries for HEIC may give it."""
    both, channels, _ = pillow.decode(Image.fromarray(pixels(channels=2)))
    assert channels == 1 and np.array_equal(both, pixels(channels=2))
