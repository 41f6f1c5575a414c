"""Fuzz what reads pictures: `read_photo` of the commands, and `decode_image` of the datasets."""

import io
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from amsnet_basicsr.images import Metadata, Photo, PhotoError, read_photo, write_photo
from amsnet_basicsr.images.decode import decode_image
from tests.fuzz.in_a_child import fuzz
from tests.fuzz.mutations import damaged
from tests.images.pictures import ICC, XMP, exif, pixels

_WRITTEN_UP_TO = 10**6  # values; larger pictures would only cost time


def seeds(folder: Path) -> list[bytes]:
    """Make a valid file of every kind that is read."""
    image = Image.fromarray(pixels(20, 28))
    told = {'exif': exif(6), 'icc_profile': ICC, 'dpi': (300, 300)}
    kinds: list[tuple[Image.Image, str, dict]] = [
        (image, 'PNG', {}),
        (image, 'PNG', told),
        (image.convert('P'), 'PNG', {}),
        (image.convert('L'), 'PNG', {}),
        (image.convert('1'), 'PNG', {}),
        (image.convert('RGBA'), 'PNG', {}),
        (image, 'JPEG', {}),
        (image, 'JPEG', {**told, 'xmp': XMP % 6}),
        (image, 'JPEG', {'progressive': True}),
        (image.convert('L'), 'JPEG', {}),
        (image, 'TIFF', {}),
        (image, 'TIFF', {'compression': 'tiff_lzw'}),
        (image, 'TIFF', {'compression': 'jpeg'}),
        (image.convert('1'), 'TIFF', {'compression': 'group4'}),
        (image, 'WEBP', {}),
        (image, 'WEBP', {**told, 'lossless': True}),
        (image.convert('RGBA'), 'WEBP', {}),
        (image, 'BMP', {}),
        (image.convert('P'), 'BMP', {}),
        (image.convert('RGBA'), 'BMP', {}),
        (image, 'GIF', {}),
    ]
    Image.init()
    if 'AVIF' in Image.SAVE:  # Pillow from 11.3 on
        kinds.append((image, 'AVIF', {}))
    files = []
    for picture, kind, settings in kinds:
        buffer = io.BytesIO()
        settings = {name: value for name, value in settings.items() if not (kind == 'WEBP' and name == 'dpi')}
        picture.save(buffer, kind, **settings)
        files.append(buffer.getvalue())
    for settings in ({'compression': 'zlib', 'predictor': True}, {'tile': (16, 16)}, {'bigtiff': True}):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, pixels(20, 28, dtype=np.uint16), photometric='rgb', **settings)
        files.append(buffer.getvalue())
    for suffix, bits in (('.png', np.uint16), ('.tif', np.uint16), ('.tif', np.uint8)):
        target = folder / f'seed{suffix}'
        write_photo(target, Photo(pixels(20, 28, dtype=bits), None, Metadata(exif(), ICC)), overwrite=True)
        files.append(target.read_bytes())
    return files


def check(path: Path, content: bytes) -> None:
    """A picture comes out that can be written, or the error that the callers know, in one line with the name."""
    path.write_bytes(content)
    try:
        photo = read_photo(path)
    except PhotoError as error:
        _one_line(error, f'{path}: ')
    else:
        _check_photo(photo)
        if photo.pixels.size <= _WRITTEN_UP_TO:
            for suffix in ('.png', '.tif', '.jpg'):
                target = path.with_suffix(suffix)
                try:
                    write_photo(target, photo, overwrite=True)
                except PhotoError as error:
                    _one_line(error, f'{target}: ')
                else:
                    if suffix != '.jpg':
                        assert np.array_equal(read_photo(target).pixels, photo.pixels)
    try:
        image = decode_image(content, 'the picture')
    except ValueError as error:
        _one_line(error, 'the picture ')
    else:
        assert image.ndim == 3 and image.shape[2] == 3 and image.dtype in (np.uint8, np.uint16) and image.size


def _check_photo(photo: Photo) -> None:
    height, width, channels = photo.pixels.shape
    assert height and width and channels in (1, 3) and photo.pixels.dtype in (np.uint8, np.uint16)
    assert photo.alpha is None or (photo.alpha.shape == (height, width) and photo.alpha.dtype == photo.pixels.dtype)


def _one_line(error: Exception, start: str) -> None:
    text = str(error)
    assert text.startswith(start) and text.isprintable() and len(text) < 1000, repr(text)


if __name__ == '__main__':
    scratch = Path(sys.argv[1])
    fuzz(damaged(seeds(scratch)), check, scratch, quick=200)
