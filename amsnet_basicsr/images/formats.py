"""The formats that are read: by suffix when a folder is searched, by the first bytes when a file is opened."""

import re
from importlib.util import find_spec

from amsnet_basicsr.images.image import ImageError

HEIF, RAWPY = find_spec('pi_heif') or find_spec('pillow_heif'), find_spec('rawpy')
HEIF_SUFFIXES = ('.heic', '.heif', '.hif')
RAW_SUFFIXES = ('.dng', '.nef', '.nrw', '.arw', '.cr2', '.cr3', '.raf', '.rw2', '.orf', '.pef', '.srw', '.iiq')
READ_SUFFIXES = (
    *('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.webp', '.bmp', '.avif'),
    *(HEIF_SUFFIXES if HEIF else ()),
    *(RAW_SUFFIXES if RAWPY else ()),
)
"""Names of files that count as images where a folder is searched. A file named singly may be of any kind."""
_CONVERT = 'convert them to PNG or TIFF'
UNREAD_SUFFIXES = {
    **dict.fromkeys(('.jxl', '.jp2', '.j2k', '.jpx', '.psd', '.xcf', '.exr', '.hdr', '.tga', '.ico'), _CONVERT),
    **dict.fromkeys(('.ppm', '.pgm', '.pnm', '.pbm', '.svg', '.pdf', '.eps', '.dcm', '.fits'), _CONVERT),
    **({} if HEIF else dict.fromkeys(HEIF_SUFFIXES, 'pip install "amsnet-basicsr[heif]" reads them')),
    **({} if RAWPY else dict.fromkeys(RAW_SUFFIXES, 'pip install "amsnet-basicsr[raw]" reads them')),
    '.gif': 'read if named one by one',
}
"""Names of images that are not read where a folder is searched, and what to do about it."""

START = 32
"""Number of bytes at the start of a file that tell its format."""

_SIGNATURES = {
    'JPEG': rb'\xff\xd8\xff',
    'PNG': rb'\x89PNG\r\n\x1a\n',
    # Canon's CR2 and Phase One's IIQ are TIFF files too.
    'raw': rb'(II\*\0|MM\0\*)....(CR|IIII|MMMM)|FUJIFILMCCD-RAW|IIRO|IIRS|MMOR|IIU\0|FOVb',
    'TIFF': rb'II[*+]\0|MM\0[*+]',
    'GIF': rb'GIF8[79]a',
    'BMP': rb'BM',
    'WebP': rb'RIFF....WEBP',
    'JPEG XL': rb'\xff\x0a|\0\0\0\x0cJXL \r\n',
    'JPEG 2000': rb'\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n',
}
#: The main brand, a version, and brands that it can be read as; the first of these counts.
_BRANDED = rb'....ftyp(?:....)*?(avif|avis|heic|heix|hevc|crx )'
_BRANDS = {b'avif': 'AVIF', b'avis': 'AVIF', b'heic': 'HEIC', b'heix': 'HEIC', b'hevc': 'HEIC', b'crx ': 'raw'}


def format_of(start: bytes) -> str:
    """Name the format of a file by its first `START` bytes; `ImageError` if it is none that this package knows."""
    for name, signature in _SIGNATURES.items():
        if re.match(signature, start, re.DOTALL):
            return name
    if branded := re.match(_BRANDED, start, re.DOTALL):
        return _BRANDS[branded[1]]
    raise ImageError('not an image in a format that can be read')
