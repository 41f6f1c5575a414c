"""What goes along with the pixels is kept, or a note says that it is not."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from amsnet_basicsr.images import ImageData, read_image, write_image
from amsnet_basicsr.images.image import stretch, unstretch, used_bits
from amsnet_basicsr.images.png import chunk
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


def test_resolution_without_a_unit(tmp_path):
    target, _ = copied(tmp_path, 'imagej_um.tif', '.tif')
    tags = tifffile.TiffFile(target).pages.first.tags
    assert (tags['XResolution'].value, tags['ResolutionUnit'].value) == ((46, 5), 1)
    assert 'unit=um' in tags['ImageDescription'].value
    target, _ = copied(tmp_path, 'jfif_aspect_2x1.jpg', '.jpg')
    image = Image.open(target)
    assert (image.info['jfif_unit'], image.info['jfif_density']) == (0, (2, 1))
    assert read_image(copied(tmp_path, 'jfif_aspect_2x1.jpg', '.png')[0]).metadata.density == (2, 1)
    Image.fromarray(pixels()).save(tmp_path / 'plain.jpg')
    write_image(tmp_path / 'b.png', read_image(tmp_path / 'plain.jpg'))
    assert 'dpi' not in Image.open(tmp_path / 'b.png').info


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif'])
def test_resolution_by_inch(tmp_path, suffix):
    Image.fromarray(pixels()).save(tmp_path / f'a{suffix}', dpi=(300, 150))
    write_image(tmp_path / 'b.png', read_image(tmp_path / f'a{suffix}'))
    assert read_image(tmp_path / 'b.png').metadata.resolution == pytest.approx((300, 150), abs=0.02)


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
    assert np.array_equal(unstretch(stretched, bits), values)
    assert used_bits(pixels()) == 8 and stretch(pixels(), 8) is not None
    assert used_bits(np.zeros((4, 4, 3), np.uint16)) == 16


@pytest.mark.parametrize('bits', [10, 12])
def test_cases_that_use_fewer_bits(bits):
    assert used_bits(read_image(CASES / f'uses_{bits}_bits.tif').pixels) == bits
    assert ImageData(read_image(CASES / f'uses_{bits}_bits.tif').pixels).bits == 16
