"""Fuzz what reads images: `read_image` of the commands, and `decode_image` of the datasets."""

import io
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from amsnet_basicsr.images import ImageData, ImageError, Metadata, decode_image, read_image, write_image
from tests.fuzz.in_a_child import fuzz
from tests.fuzz.mutations import damaged
from tests.images.samples import ICC, XMP, exif, pixels

_WRITTEN_UP_TO = 10**6  # values; larger images would only cost time


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
    for each, kind, settings in kinds:
        buffer = io.BytesIO()
        settings = {name: value for name, value in settings.items() if not (kind == 'WEBP' and name == 'dpi')}
        each.save(buffer, kind, **settings)
        files.append(buffer.getvalue())
    for settings in ({'compression': 'zlib', 'predictor': True}, {'tile': (16, 16)}, {'bigtiff': True}):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, pixels(20, 28, dtype=np.uint16), photometric='rgb', **settings)
        files.append(buffer.getvalue())
    for suffix, bits in (('.png', np.uint16), ('.tif', np.uint16), ('.tif', np.uint8)):
        target = folder / f'seed{suffix}'
        write_image(target, ImageData(pixels(20, 28, dtype=bits), None, Metadata(exif(), ICC)), overwrite=True)
        files.append(target.read_bytes())
    return files


def check(path: Path, content: bytes) -> None:
    """An image comes out that can be written, or the error that the callers know, in one line with the name."""
    path.write_bytes(content)
    try:
        image = read_image(path)
    except ImageError as error:
        _one_line(error, f'{path}: ')
    else:
        _check_image(image)
        if image.pixels.size <= _WRITTEN_UP_TO:
            for suffix in ('.png', '.tif', '.jpg'):
                target = path.with_suffix(suffix)
                try:
                    write_image(target, image, overwrite=True)
                except ImageError as error:
                    _one_line(error, f'{target}: ')
                else:
                    if suffix != '.jpg':
                        assert np.array_equal(read_image(target).pixels, image.pixels)
    try:
        decoded = decode_image(content, 'the image')
    except ValueError as error:
        _one_line(error, 'the image: ')
    else:
        assert decoded.ndim == 3 and decoded.shape[2] == 3 and decoded.dtype in (np.uint8, np.uint16) and decoded.size


def _check_image(image: ImageData) -> None:
    height, width, channels = image.pixels.shape
    assert height and width and channels in (1, 3) and image.pixels.dtype in (np.uint8, np.uint16)
    assert image.alpha is None or (image.alpha.shape == (height, width) and image.alpha.dtype == image.pixels.dtype)


def _one_line(error: Exception, start: str) -> None:
    text = str(error)
    assert text.startswith(start) and text.isprintable() and len(text) < 1000, repr(text)


if __name__ == '__main__':
    scratch = Path(sys.argv[1])
    fuzz(damaged(seeds(scratch)), check, scratch, quick=200)
