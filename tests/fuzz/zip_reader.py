"""Fuzz what reads the zips of SIDD-Medium."""

import io
import sys
import zipfile
from pathlib import Path

import cv2

from amsnet_basicsr.prepare.sidd.medium import cut_patches, find_noisy_images
from amsnet_basicsr.utils.errors import UserError
from tests.conftest import noisy_image
from tests.fuzz.in_a_child import fuzz
from tests.fuzz.mutations import damaged

SCENE = 'SIDD_Medium_Srgb/Data/0001_001_S6_00100_00060_3200_L'


def seeds() -> list[bytes]:
    """Make valid zips of two images and a text, packed in each way."""
    files = []
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, 'w', packing) as archive:
            for shot in (10, 11):
                png = cv2.imencode('.png', noisy_image(20, 24, shot))[1].tobytes()
                archive.writestr(f'{SCENE}/0001_NOISY_SRGB_{shot:03d}.PNG', png)
            archive.writestr('readme.txt', b'SIDD' * 20)
        files.append(buffer.getvalue())
    return files


def check(path: Path, content: bytes) -> None:
    """Patches come out, or the error that the caller knows: of the whole zip, or of one image."""
    path = path.with_suffix('.zip')
    path.write_bytes(content)
    try:
        images = find_noisy_images([path])
    except UserError as error:
        assert str(error).isprintable() and str(path) in str(error)
        return
    for image in images:
        try:
            image.read_size(16)
            patches = cut_patches(image, 16, 8).images
        except ValueError as error:
            assert len(str(error)) < 1000
        else:
            assert patches


if __name__ == '__main__':
    fuzz(damaged(seeds()), check, Path(sys.argv[1]), quick=200)
