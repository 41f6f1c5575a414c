"""What is written is what was meant, as other programs read it; and nothing is left half done."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.ExifTags import IFD, Base

from amsnet_basicsr.images import (
    ImageData,
    ImageError,
    Metadata,
    read_image,
    to_8_bit,
    write_image,
)
from tests.images.samples import ICC, MAKER_NOTE, XMP, exif, pixels


@pytest.mark.parametrize('alpha', [False, True])
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize(
    ('suffix', 'dtype'), [('.png', np.uint8), ('.png', np.uint16), ('.tif', np.uint8), ('.tif', np.uint16)]
)
def test_lossless_formats_give_everything_back(tmp_path, suffix, dtype, channels, alpha):
    data = pixels(channels=channels + 1, dtype=dtype)
    image = ImageData(data[..., :-1].copy(), data[..., -1].copy() if alpha else None)
    path = tmp_path / f'a{suffix}'
    assert write_image(path, image) == []
    again = read_image(path)
    assert np.array_equal(again.pixels, image.pixels) and again.pixels.dtype == dtype
    assert np.array_equal(again.alpha, image.alpha) if alpha else again.alpha is None
    # As seen by another program.
    other = tifffile.imread(path) if suffix == '.tif' else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if suffix == '.png' and other.ndim == 3:
        other = other[..., [2, 1, 0, 3][: other.shape[2]]]
    if suffix == '.png' and alpha and channels == 1:
        other = other[..., [0, 3]]  # OpenCV makes RGB of it
    expected = np.dstack([image.pixels, image.alpha]) if alpha else image.pixels
    assert np.array_equal(other.reshape(expected.shape), expected)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('suffix', ['.jpg', '.jpeg', '.webp', '.avif', '.bmp'])
def test_eight_bit_formats_take_16_bit_rounded_and_say_so(tmp_path, suffix, channels):
    image = ImageData(pixels(channels=channels, dtype=np.uint16))
    (loss,) = write_image(tmp_path / f'a{suffix}', image, quality=100)
    assert loss == f'16 bit are rounded to 8, as {suffix} has no more'
    again = read_image(tmp_path / f'a{suffix}').pixels.astype(float)
    error = np.abs(again - image.pixels / 257)
    assert error.max() <= (0.5 if suffix == '.bmp' else 60) and error.mean() < 8


def test_rounding_to_8_bit_is_to_the_nearest():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    expected = np.floor(values * (255 / 65535) + 0.5).astype(np.uint8)
    rounded = to_8_bit(ImageData(values, values[..., 0]))
    assert np.array_equal(rounded.pixels, expected) and np.array_equal(rounded.alpha, expected[..., 0])
    assert to_8_bit(rounded) is rounded


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.avif', '.tif'])
def test_metadata_arrive_unchanged(tmp_path, suffix, big_endian):
    metadata = Metadata(exif(1, big_endian), ICC, XMP % 1, (300, 300))
    write_image(tmp_path / f'a{suffix}', ImageData(pixels(), None, metadata))
    image = Image.open(tmp_path / f'a{suffix}')
    assert image.info['icc_profile'] == ICC
    block = image.getexif()
    assert block[Base.Make] == 'Camera Works' and block[Base.Artist].encode('latin-1') == 'Zoë'.encode()
    camera, place = block.get_ifd(IFD.Exif), block.get_ifd(IFD.GPSInfo)
    assert camera[Base.MakerNote] == MAKER_NOTE and camera[Base.ExposureTime] == 1 / 250
    assert camera[Base.DateTimeOriginal] == '2024:01:02 03:04:05' and place[1] == 'N' and place[2] == (52, 30, 0)
    again = read_image(tmp_path / f'a{suffix}').metadata
    assert again.xmp == XMP % 1
    if suffix not in ('.webp', '.avif'):
        assert again.resolution == pytest.approx((300, 300), abs=0.01)
    if suffix not in ('.tif', '.avif'):  # whose EXIF is written anew
        assert again.exif == metadata.exif


def test_png_has_one_exif_chunk_before_its_pixels(tmp_path):
    write_image(tmp_path / 'a.png', ImageData(pixels(300, 300), None, Metadata(exif())))
    content = (tmp_path / 'a.png').read_bytes()
    assert content.count(b'eXIf') == 1 and content.index(b'eXIf') < content.index(b'IDAT')
    Image.open(tmp_path / 'a.png').verify()  # its check sums


def test_turned_images_lose_only_orientation_and_preview(tmp_path):
    path = tmp_path / 'a.jpg'
    block = exif(8)
    Image.fromarray(pixels()).save(path, exif=block)
    changed = [i for i, (a, b) in enumerate(zip(block, read_image(path).metadata.exif, strict=True)) if a != b]
    assert len(changed) == 1 and block[changed[0]] == 8


def test_exif_that_is_damaged_goes_without_it(tmp_path):
    for block in (b'Exif\0\0II*\0\xff\xff\xff\0', b'Exif\0\0garbage', b'Exif\0\0MM\0*\0\0\0\x08\xff\xff'):
        Image.fromarray(pixels()).save(tmp_path / 'a.jpg', exif=block)
        image = read_image(tmp_path / 'a.jpg')
        assert image.metadata.exif is None
        # Metadata need not come from a file.
        write_image(tmp_path / 'a.tif', ImageData(pixels(), None, Metadata(block)), overwrite=True)
        assert np.array_equal(read_image(tmp_path / 'a.tif').pixels, pixels())


def test_metadata_too_long_for_jpeg_are_left_out_and_said(tmp_path):
    image = ImageData(pixels(), None, Metadata(exif() + b'\0' * 70000, None, XMP % 1 + b' ' * 70000))
    losses = write_image(tmp_path / 'a.jpg', image)
    assert [loss.split()[0] for loss in losses] == ['EXIF', 'XMP']
    assert write_image(tmp_path / 'a.png', image) == []
    assert read_image(tmp_path / 'a.png').metadata.exif == image.metadata.exif
    (loss,) = write_image(tmp_path / 'a.bmp', image)
    assert 'metadata' in loss


def test_alpha_is_dropped_only_where_it_says_nothing(tmp_path):
    opaque = ImageData(pixels(), np.full((40, 56), 255, np.uint8))
    assert write_image(tmp_path / 'a.jpg', opaque) == []
    with pytest.raises(
        ImageError, match=r'b\.jpg: \.jpg holds no alpha channel, which the image needs; write it as \.png'
    ):
        write_image(tmp_path / 'b.jpg', ImageData(pixels(), pixels()[..., 0]))
    data = pixels(channels=4)
    with pytest.raises(ImageError, match=r'\.bmp holds no alpha'):
        write_image(tmp_path / 'b.bmp', ImageData(data[..., :3].copy(), data[..., 3].copy()))
    write_image(tmp_path / 'a.webp', ImageData(data[..., :1].copy(), data[..., 3].copy()))
    assert np.array_equal(read_image(tmp_path / 'a.webp').alpha, data[..., 3])
    write_image(tmp_path / 'a.avif', ImageData(data[..., :3].copy(), data[..., 3].copy()), quality=100)
    assert np.abs(read_image(tmp_path / 'a.avif').alpha.astype(int) - data[..., 3]).max() <= 2


def test_refusals_leave_everything_as_it_was(tmp_path):
    (tmp_path / 'old.png').write_bytes(b'kept')
    (tmp_path / 'dangling.png').symlink_to(tmp_path / 'nowhere')
    image = ImageData(pixels())
    wide = ImageData(np.zeros((1, 70000, 3), np.uint8))
    for name, given, reason in (
        ('old.png', image, 'exists already; --overwrite replaces it'),
        ('dangling.png', image, 'exists already'),
        ('a.gif', image, 'cannot write .gif'),
        ('name', image, 'cannot write a file without suffix'),
        ('old.png/a.png', image, 'cannot be written'),
        ('none/a.png', image, 'No such file or directory'),
        ('wide.jpg', wide, ''),
        ('wide.webp', wide, ''),
        ('wide.avif', wide, ''),
    ):
        with pytest.raises(ImageError) as caught:
            write_image(tmp_path / name, given)
        assert str(caught.value).startswith(f'{tmp_path / name}: ') and reason in str(caught.value)
        assert '\n' not in str(caught.value)
    assert (tmp_path / 'old.png').read_bytes() == b'kept'
    assert sorted(os.listdir(tmp_path)) == ['dangling.png', 'old.png']
    write_image(tmp_path / 'old.png', image, overwrite=True)
    assert np.array_equal(read_image(tmp_path / 'old.png').pixels, pixels())


def test_a_full_disk_is_one_line():
    if not os.path.exists('/dev/full'):
        pytest.skip('no /dev/full')
    from amsnet_basicsr.images.write import _png

    with open('/dev/full', 'wb', buffering=0) as file, pytest.raises(OSError, match='No space left'):
        _png(file, ImageData(pixels(200, 200), None, Metadata(exif())), 95)


@pytest.mark.skipif(sys.platform != 'linux', reason='units of the peak differ')
@pytest.mark.parametrize(
    ('suffix', 'dtype', 'times'), [('.tif', 'uint16', 2), ('.png', 'uint16', 2), ('.jpg', 'uint8', 4)]
)
def test_memory_stays_near_that_of_the_pixels(tmp_path, suffix, dtype, times):
    """5 megapixels; JPEG decodes and encodes through 4 bytes a pixel, the others strip by strip."""
    program = f"""
import resource, numpy as np
from amsnet_basicsr.images import ImageData, read_image, write_image
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
y, x = np.ogrid[:2000, :2500]
plane = (x * 3 + y * 5 + (x * y) % 251).astype(np.{dtype})
write_image('warm.png', ImageData(plane[:100, :100, None]))
before = peak()
pixels = np.repeat(plane[..., None], 3, axis=2)
write_image('a{suffix}', ImageData(pixels))
del pixels
image = read_image('a{suffix}')
print((peak() - before) * 1024 / image.pixels.nbytes)
"""
    result = subprocess.run([sys.executable, '-c', program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(result.stdout) < times
