"""Which formats are read, by name where a folder is searched, and by the first bytes of a file, whatever its name."""

from importlib.util import find_spec

from amsnet_basicsr.images.image import ImageError

HEIF, RAWPY = find_spec('pi_heif') or find_spec('pillow_heif'), find_spec('rawpy')
HEIF_SUFFIXES = ('.heic', '.heif')
RAW_SUFFIXES = ('.dng', '.nef', '.nrw', '.arw', '.cr2', '.cr3', '.raf', '.rw2', '.orf', '.pef', '.srw')
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
"""So many bytes at the start of a file tell its format."""

_SIGNATURES = {
    b'\xff\xd8\xff': 'JPEG',
    b'\x89PNG\r\n\x1a\n': 'PNG',
    b'II*\0': 'TIFF',
    b'MM\0*': 'TIFF',
    b'II+\0': 'TIFF',
    b'MM\0+': 'TIFF',
    b'GIF87a': 'GIF',
    b'GIF89a': 'GIF',
    b'BM': 'BMP',
    b'\xff\x0a': 'JPEG XL',
    b'\0\0\0\x0cJXL \r\n': 'JPEG XL',
    b'\0\0\0\x0cjP  \r\n': 'JPEG 2000',
    b'\xff\x4f\xff\x51': 'JPEG 2000',
    b'FUJIFILMCCD-RAW': 'raw',
    b'IIRO': 'raw',
    b'IIRS': 'raw',
    b'MMOR': 'raw',
    b'IIU\0': 'raw',
    b'FOVb': 'raw',
}
_BRANDS = {b'avif': 'AVIF', b'avis': 'AVIF', b'heic': 'HEIC', b'heix': 'HEIC', b'hevc': 'HEIC', b'crx ': 'raw'}


def format_of(start: bytes) -> str:
    """Name the format of a file by its first `START` bytes; `ImageError` if it is none that this package knows."""
    for signature, name in _SIGNATURES.items():
        if start.startswith(signature):
            return 'raw' if start[8:10] == b'CR' and name == 'TIFF' else name  # Canon's CR2
    if start[:4] == b'RIFF' and start[8:12] == b'WEBP':
        return 'WebP'
    if start[4:8] == b'ftyp':  # the main brand, a version, and brands that it can be read as
        for brand in (start[8:12], *(start[at : at + 4] for at in range(16, len(start), 4))):
            if brand in _BRANDS:
                return _BRANDS[brand]
    raise ImageError('not an image in a format that can be read')
