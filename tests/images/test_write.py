"""What is written is what was meant, as other programs read it; and nothing is left half done."""

import os
import stat
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.ExifTags import IFD, Base

from amsnet_basicsr.images import (
    Metadata,
    Photo,
    PhotoError,
    read_photo,
    to_8_bit,
    whole_file,
    write_photo,
    write_whole,
)
from tests.images.pictures import ICC, MAKER_NOTE, XMP, exif, pixels


@pytest.mark.parametrize('alpha', [False, True])
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize(
    ('suffix', 'dtype'), [('.png', np.uint8), ('.png', np.uint16), ('.tif', np.uint8), ('.tif', np.uint16)]
)
def test_lossless_formats_give_everything_back(tmp_path, suffix, dtype, channels, alpha):
    data = pixels(channels=channels + 1, dtype=dtype)
    photo = Photo(data[..., :-1].copy(), data[..., -1].copy() if alpha else None)
    path = tmp_path / f'a{suffix}'
    assert write_photo(path, photo) == []
    again = read_photo(path)
    assert np.array_equal(again.pixels, photo.pixels) and again.pixels.dtype == dtype
    assert np.array_equal(again.alpha, photo.alpha) if alpha else again.alpha is None
    # As seen by another program.
    other = tifffile.imread(path) if suffix == '.tif' else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if suffix == '.png' and other.ndim == 3:
        other = other[..., [2, 1, 0, 3][: other.shape[2]]]
    if suffix == '.png' and alpha and channels == 1:
        other = other[..., [0, 3]]  # OpenCV makes RGB of it
    expected = np.dstack([photo.pixels, photo.alpha]) if alpha else photo.pixels
    assert np.array_equal(other.reshape(expected.shape), expected)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('suffix', ['.jpg', '.jpeg', '.webp', '.bmp'])
def test_eight_bit_formats_take_16_bit_rounded_and_say_so(tmp_path, suffix, channels):
    photo = Photo(pixels(channels=channels, dtype=np.uint16))
    (loss,) = write_photo(tmp_path / f'a{suffix}', photo, quality=100)
    assert loss == f'16 bit are rounded to 8, as {suffix} has no more'
    again = read_photo(tmp_path / f'a{suffix}').pixels.astype(float)
    error = np.abs(again - photo.pixels / 257)
    assert error.max() <= (0.5 if suffix == '.bmp' else 60) and error.mean() < 8


def test_rounding_to_8_bit_is_to_the_nearest():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    expected = np.floor(values * (255 / 65535) + 0.5).astype(np.uint8)
    rounded = to_8_bit(Photo(values, values[..., 0]))
    assert np.array_equal(rounded.pixels, expected) and np.array_equal(rounded.alpha, expected[..., 0])
    assert to_8_bit(rounded) is rounded


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.tif'])
def test_metadata_arrive_unchanged(tmp_path, suffix, big_endian):
    metadata = Metadata(exif(1, big_endian), ICC, XMP % 1, (300, 300))
    write_photo(tmp_path / f'a{suffix}', Photo(pixels(), None, metadata))
    image = Image.open(tmp_path / f'a{suffix}')
    assert image.info['icc_profile'] == ICC
    block = image.getexif()
    assert block[Base.Make] == 'Camera Works' and block[Base.Artist].encode('latin-1') == 'Zoë'.encode()
    camera, place = block.get_ifd(IFD.Exif), block.get_ifd(IFD.GPSInfo)
    assert camera[Base.MakerNote] == MAKER_NOTE and camera[Base.ExposureTime] == 1 / 250
    assert camera[Base.DateTimeOriginal] == '2024:01:02 03:04:05' and place[1] == 'N' and place[2] == (52, 30, 0)
    again = read_photo(tmp_path / f'a{suffix}').metadata
    assert again.xmp == XMP % 1
    if suffix != '.webp':
        assert again.resolution == pytest.approx((300, 300), abs=0.01)
    if suffix != '.tif':  # whose EXIF is its own directory
        assert again.exif == metadata.exif


def test_png_has_one_exif_chunk_before_its_pixels(tmp_path):
    write_photo(tmp_path / 'a.png', Photo(pixels(300, 300), None, Metadata(exif())))
    content = (tmp_path / 'a.png').read_bytes()
    assert content.count(b'eXIf') == 1 and content.index(b'eXIf') < content.index(b'IDAT')
    Image.open(tmp_path / 'a.png').verify()  # its check sums


def test_turned_pictures_lose_only_orientation_and_preview(tmp_path):
    path = tmp_path / 'a.jpg'
    block = exif(8)
    Image.fromarray(pixels()).save(path, exif=block)
    changed = [i for i, (a, b) in enumerate(zip(block, read_photo(path).metadata.exif, strict=True)) if a != b]
    assert len(changed) == 1 and block[changed[0]] == 8


def test_exif_that_is_damaged_goes_without_it(tmp_path):
    for block in (b'Exif\0\0II*\0\xff\xff\xff\0', b'Exif\0\0garbage', b'Exif\0\0MM\0*\0\0\0\x08\xff\xff'):
        Image.fromarray(pixels()).save(tmp_path / 'a.jpg', exif=block)
        photo = read_photo(tmp_path / 'a.jpg')
        assert photo.metadata.exif is None
        # Metadata need not come from a file.
        write_photo(tmp_path / 'a.tif', Photo(pixels(), None, Metadata(block)), overwrite=True)
        assert np.array_equal(read_photo(tmp_path / 'a.tif').pixels, pixels())


def test_metadata_too_long_for_jpeg_are_left_out_and_said(tmp_path):
    photo = Photo(pixels(), None, Metadata(exif() + b'\0' * 70000, None, XMP % 1 + b' ' * 70000))
    losses = write_photo(tmp_path / 'a.jpg', photo)
    assert [loss.split()[0] for loss in losses] == ['EXIF', 'XMP']
    assert write_photo(tmp_path / 'a.png', photo) == []
    assert read_photo(tmp_path / 'a.png').metadata.exif == photo.metadata.exif
    (loss,) = write_photo(tmp_path / 'a.bmp', photo)
    assert 'metadata' in loss


def test_alpha_is_dropped_only_where_it_says_nothing(tmp_path):
    opaque = Photo(pixels(), np.full((40, 56), 255, np.uint8))
    assert write_photo(tmp_path / 'a.jpg', opaque) == []
    with pytest.raises(
        PhotoError, match=r'b\.jpg: \.jpg holds no alpha channel, which the picture needs; write it as \.png'
    ):
        write_photo(tmp_path / 'b.jpg', Photo(pixels(), pixels()[..., 0]))
    data = pixels(channels=4)
    with pytest.raises(PhotoError, match=r'\.bmp holds no alpha'):
        write_photo(tmp_path / 'b.bmp', Photo(data[..., :3].copy(), data[..., 3].copy()))
    write_photo(tmp_path / 'a.webp', Photo(data[..., :1].copy(), data[..., 3].copy()))
    assert np.array_equal(read_photo(tmp_path / 'a.webp').alpha, data[..., 3])


def test_refusals_leave_everything_as_it_was(tmp_path):
    (tmp_path / 'old.png').write_bytes(b'kept')
    (tmp_path / 'dangling.png').symlink_to(tmp_path / 'nowhere')
    photo = Photo(pixels())
    wide = Photo(np.zeros((1, 70000, 3), np.uint8))
    for name, picture, reason in (
        ('old.png', photo, 'exists already; --overwrite replaces it'),
        ('dangling.png', photo, 'exists already'),
        ('a.gif', photo, 'cannot write .gif'),
        ('name', photo, 'cannot write a file without suffix'),
        ('old.png/a.png', photo, 'cannot be written'),
        ('none/a.png', photo, 'No such file or directory'),
        ('wide.jpg', wide, ''),
        ('wide.webp', wide, ''),
    ):
        with pytest.raises(PhotoError) as caught:
            write_photo(tmp_path / name, picture)
        assert str(caught.value).startswith(f'{tmp_path / name}: ') and reason in str(caught.value)
        assert '\n' not in str(caught.value)
    assert (tmp_path / 'old.png').read_bytes() == b'kept'
    assert sorted(os.listdir(tmp_path)) == ['dangling.png', 'old.png']
    write_photo(tmp_path / 'old.png', photo, overwrite=True)
    assert np.array_equal(read_photo(tmp_path / 'old.png').pixels, pixels())


def test_a_full_disk_is_one_line():
    if not os.path.exists('/dev/full'):
        pytest.skip('no /dev/full')
    from amsnet_basicsr.images.write import _png

    with open('/dev/full', 'wb', buffering=0) as file, pytest.raises(OSError, match='No space left'):
        _png(file, Photo(pixels(200, 200), None, Metadata(exif())), 95)


def test_files_appear_whole_or_not_at_all(tmp_path):
    path = tmp_path / ('ü' * 125 + '.txt')  # as long as names may be
    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        file.write(b'half')
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []
    write_whole(path, b'whole')
    assert path.read_bytes() == b'whole' and len(os.listdir(tmp_path)) == 1
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.skipif(sys.platform != 'linux', reason='units of the peak differ')
@pytest.mark.parametrize(
    ('suffix', 'dtype', 'times'), [('.tif', 'uint16', 2), ('.png', 'uint16', 2), ('.jpg', 'uint8', 4)]
)
def test_memory_stays_near_that_of_the_pixels(tmp_path, suffix, dtype, times):
    """5 megapixels; JPEG decodes and encodes through 4 bytes a pixel, the others strip by strip."""
    program = f"""
import resource, numpy as np
from amsnet_basicsr.images import Photo, read_photo, write_photo
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
y, x = np.ogrid[:2000, :2500]
plane = (x * 3 + y * 5 + (x * y) % 251).astype(np.{dtype})
write_photo('warm.png', Photo(plane[:100, :100, None]))
before = peak()
pixels = np.repeat(plane[..., None], 3, axis=2)
write_photo('a{suffix}', Photo(pixels))
del pixels
photo = read_photo('a{suffix}')
print((peak() - before) * 1024 / photo.pixels.nbytes)
"""
    result = subprocess.run([sys.executable, '-c', program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(result.stdout) < times
