"""What goes along with the pixels is kept, or a note says that it is not."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.ExifTags import Base

from amsnet_basicsr.denoise.gallery.compare import compare_image
from amsnet_basicsr.images import ImageData, Metadata, read_image, write_image
from amsnet_basicsr.images.image import stretch, unstretch, used_bits
from amsnet_basicsr.images.png import chunk
from tests.images import samples
from tests.images.samples import CASES, pixels


def copied(tmp_path, name, suffix):
    """Read and write an image; where it went, and the notes."""
    target = tmp_path / f'a{suffix}'
    return target, write_image(target, read_image(CASES / name))


@pytest.mark.parametrize(
    ('name', 'colour'),
    [
        ('cicp_pq.png', chunk(b'cICP', bytes([9, 16, 0, 1]))),
        ('gama_linear.png', chunk(b'gAMA', struct.pack('>I', 100000))),
    ],
)
def test_colour_chunks_of_png(tmp_path, name, colour):
    target, notes = copied(tmp_path, name, '.png')
    content = target.read_bytes()
    assert notes == [] and 0 < content.find(colour) < content.find(b'IDAT')
    assert b'pHYs' not in content  # a resolution that nobody gave
    assert np.array_equal(read_image(target).pixels, read_image(CASES / name).pixels)
    assert 'colour chunks are left out' in ''.join(copied(tmp_path, name, '.jpg')[1])


def test_what_png_says_of_hdr_goes_along_into_comparisons_too(tmp_path):
    more = chunk(b'mDCV', bytes(24)) + chunk(b'cLLI', bytes(8))
    content = (CASES / 'cicp_pq.png').read_bytes()
    (tmp_path / 'a.png').write_bytes(content[:33] + more + content[33:])
    image = read_image(tmp_path / 'a.png')
    write_image(tmp_path / 'b.png', compare_image(image, image))
    content = (tmp_path / 'b.png').read_bytes()
    assert more + chunk(b'cICP', bytes([9, 16, 0, 1])) in content


def test_resolution_without_a_unit(tmp_path):
    target, _ = copied(tmp_path, 'imagej_um.tif', '.tif')
    tags = tifffile.TiffFile(target).pages.first.tags
    assert (tags['XResolution'].value, tags['ResolutionUnit'].value) == ((46, 5), 1)
    assert 'unit=um' in tags['ImageDescription'].value
    target, _ = copied(tmp_path, 'jfif_aspect_2x1.jpg', '.jpg')
    image = Image.open(target)
    assert (image.info['jfif_unit'], image.info['jfif_density']) == (0, (2, 1))
    assert read_image(copied(tmp_path, 'jfif_aspect_2x1.jpg', '.png')[0]).metadata.density == (2, 1)
    # 9.2 pixels a micrometre: neither 9 nor 10.
    notes = write_image(tmp_path / 'c.png', read_image(CASES / 'imagej_um.tif'))
    assert read_image(tmp_path / 'c.png').metadata.density is None
    assert notes == ['its resolution, which names no unit, is left out, as .png cannot hold it']


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif', '.webp', '.avif', '.bmp'])
def test_no_resolution_is_made_up(tmp_path, suffix):
    target, notes = tmp_path / f'a{suffix}', write_image(tmp_path / f'a{suffix}', ImageData(pixels()))
    assert read_image(target).metadata == Metadata() and notes == []
    assert 'dpi' not in Image.open(target).info or suffix == '.tif'  # where Pillow says 1 for 1 without a unit


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif'])
def test_resolution_by_inch(tmp_path, suffix):
    Image.fromarray(pixels()).save(tmp_path / f'a{suffix}', dpi=(300, 150))
    write_image(tmp_path / 'b.png', read_image(tmp_path / f'a{suffix}'))
    assert read_image(tmp_path / 'b.png').metadata.resolution == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize('suffix', ['.webp', '.avif'])
@pytest.mark.parametrize('exif', [None, samples.exif()])
def test_resolution_goes_into_exif_where_there_is_no_other_place(tmp_path, suffix, exif):
    write_image(tmp_path / f'a{suffix}', ImageData(pixels(), None, Metadata(exif=exif, resolution=(300, 150))))
    tags = Image.open(tmp_path / f'a{suffix}').getexif()
    if exif is None or suffix == '.avif':  # in WebP it is copied byte for byte
        assert [tags[tag] for tag in (Base.XResolution, Base.YResolution, Base.ResolutionUnit)] == [300, 150, 2]
        assert read_image(tmp_path / f'a{suffix}').metadata.resolution == (300, 150)
    else:
        assert read_image(tmp_path / f'a{suffix}').metadata.resolution is None


@pytest.mark.parametrize(
    ('xmp', 'behind'),
    [
        (b'<a Camera:MotionPhoto="1"/>', b''),  # the prefix of Android's specification; Google's own has a G before it
        (b'<a xmlns:g="http://ns.adobe.com/hdr-gain-map/1.0/" g:Version="1.0"/>', b''),
        (None, b'MotionPhoto_Data' + bytes(50) + b'SEFT'),
        (None, b'\xff\xd8\xff\xe2\0\x20urn:iso:std:iso:ts:21496:-1\0'),
    ],
)
def test_a_video_or_gain_map_behind_the_image_is_noticed(tmp_path, xmp, behind):
    path = tmp_path / 'a.jpg'
    Image.fromarray(pixels()).save(path, **({'xmp': xmp} if xmp else {}))
    path.write_bytes(path.read_bytes() + behind)
    image = read_image(path)
    assert image.metadata.xmp is None and 'the video or HDR gain map behind its pixels is left out' in image.notes[0]


def test_xmp_of_a_drone_camera_describes_no_video(tmp_path):
    xmp = b'<a xmlns:Camera="http://pix4d.com/camera/1.0/" Camera:ModelType="perspective"/>'
    Image.fromarray(pixels()).save(tmp_path / 'a.jpg', xmp=xmp)
    image = read_image(tmp_path / 'a.jpg')
    assert image.metadata.xmp == xmp and image.notes == ()


def test_a_gain_map_in_avif_is_noticed(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / 'a.avif')
    content = (tmp_path / 'a.avif').read_bytes()
    assert read_image(tmp_path / 'a.avif').notes == ()
    (tmp_path / 'a.avif').write_bytes(content.replace(b'miaf', b'tmap', 1))
    assert read_image(tmp_path / 'a.avif').notes == ('the video or HDR gain map behind its pixels is left out',)


def test_extended_xmp_is_left_out_with_a_note(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / 'a.jpg', xmp=b'<a xmpNote:HasExtendedXMP="0123"/>')
    assert read_image(tmp_path / 'a.jpg').notes == ('the part of its XMP beyond 64 KiB is left out',)


@pytest.mark.parametrize('name', ['motion_photo.jpg', 'ultra_hdr.jpg'])
@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_what_stands_behind_the_image_goes_with_its_xmp(tmp_path, name, suffix):
    target, notes = copied(tmp_path, name, suffix)
    assert any('video or HDR gain map' in note for note in notes)
    assert read_image(target).metadata.xmp is None and b'MotionPhoto' not in target.read_bytes()


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif', '.webp', '.avif', '.bmp'])
@pytest.mark.parametrize('name', ['damaged_icc.jpg', 'damaged_exif.jpeg', 'damaged_resolution.tiff'])
def test_damaged_metadata_keep_no_image_from_being_written(tmp_path, name, suffix):
    target, notes = copied(tmp_path, name, suffix)
    expected = read_image(CASES / name).pixels
    again = read_image(target).pixels
    if suffix in ('.png', '.tif'):
        assert np.array_equal(again, expected)
    assert again.shape == expected.shape
    part = {'damaged_icc.jpg': 'ICC', 'damaged_exif.jpeg': 'EXIF', 'damaged_resolution.tiff': 'resolution'}[name]
    if (part, suffix) in (('ICC', '.png'), ('EXIF', '.tif')) or part == 'resolution':
        assert f'its {part} is damaged and left out' in notes


@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
def test_used_range(bits):
    values = np.linspace(0, 2**bits - 1, 64 * 64).astype(np.uint16).reshape(64, 64, 1)
    assert used_bits(values) == bits
    stretched = stretch(values, bits)
    assert (stretched.min(), stretched.max()) == (0, 65535) and (np.diff(stretched.ravel().astype(int)) >= 0).all()
    assert np.array_equal(unstretch(stretched, bits, values), values)
    assert used_bits(pixels()) == 8 and stretch(pixels(), 8) is not None
    assert used_bits(np.zeros((4, 4, 3), np.uint16)) == 16


def test_outliers_do_not_hide_the_used_range():
    values = np.random.default_rng(0).integers(0, 4096, (64, 64, 3), np.uint16)
    values[3, 5] = values[20, 7:12] = 60000
    assert used_bits(values) == 12
    assert np.array_equal(unstretch(stretch(values, 12), 12, values), values)  # a lamp stays as bright as it was
    darker = stretch(values, 12)
    darker[3, 5] = 20000
    assert (unstretch(darker, 12, values)[3, 5] < 4096).all()  # a hot pixel that was removed stays removed
    values[:5] = 60000
    assert used_bits(values) == 16


@pytest.mark.parametrize('bits', [10, 12])
def test_cases_that_use_fewer_bits(bits):
    assert used_bits(read_image(CASES / f'uses_{bits}_bits.tif').pixels) == bits
    assert ImageData(read_image(CASES / f'uses_{bits}_bits.tif').pixels).bits == 16
