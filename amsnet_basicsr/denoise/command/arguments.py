"""The command line of `amsnet-denoise`, read without PyTorch."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from amsnet_basicsr.denoise import SMALLEST_TILE
from amsnet_basicsr.version import __version__

_DESCRIPTION = """\
Remove the noise from images: JPEG, PNG, TIFF, WebP, AVIF and BMP, 8 and 16 bit, colour and grey. Bit depth, alpha,
EXIF, XMP and ICC profile are kept; originals are never overwritten.

  amsnet-denoise image.jpg -o clean.jpg
  amsnet-denoise photos -o clean                  a folder and its subfolders
  amsnet-denoise 'photos/**/*.png' -o clean       a pattern
  amsnet-denoise adapt --help                     tune the model to the noise of your images, in minutes
  amsnet-denoise fit --help                       train a model on your own images
  amsnet-denoise export --help                    the model as a file for other programs
"""


_BLEND = ('strength', 'luma', 'chroma', 'grain')
_HOW = ('model', 'opt', 'scheme', 'refine', *_BLEND, 'seed', 'tile', 'precision', 'quality', 'preview')


class UsageError(ValueError):
    """The command can't be run as given; the message says why, in one line."""


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the message, and exit with status 2."""
        self.exit(2, f'{self.prog}: error: {message} ({self.prog} --help lists the options)\n')


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read what follows the command's name, and check each setting by itself; without any, print the help.

    Raises:
        SystemExit: With status 0 after help or version, with 2 and one line on stderr if something is wrong.
    """
    parser, words = _parser(), list(arguments) or ['--help']
    if '--' in words:  # names follow, which argparse forgets where they mix with options
        end = words.index('--')
        words[end:] = [f'./{name}' if name.startswith('-') else name for name in words[end + 1 :]]
    settings = parser.parse_intermixed_args(words)
    if settings.json not in (None, '-') and not settings.json.lower().endswith('.json'):
        parser.error(f'argument --json: the name must end in .json, got {settings.json!r}; --json=- prints it')
    if settings.gallery is not None and not settings.gallery.lower().endswith(('.html', '.htm')):
        parser.error(f'argument --gallery: the name must end in .html, got {settings.gallery!r}')
    if settings.preview and (settings.compare or settings.gallery):
        parser.error('argument --preview: it is a comparison by itself; leave out --compare and --gallery')
    if '' in (settings.output, *settings.inputs):
        parser.error('the name of a file or folder is empty')
    return settings


def blend_settings(settings: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of how much is removed, named as the denoiser's arguments."""
    return {name: getattr(settings, name) for name in _BLEND}


def blend_in_words(blend: Mapping[str, Any]) -> str:
    """Describe such settings: `strength 0.5, luma 0.7`."""
    words = [
        f'{name} {value if isinstance(value, str) else format(value, "g")}'
        for name, value in blend.items()
        if value is not None and (name, value) != ('grain', 0)
    ]
    return ', '.join(words)


def given(settings: argparse.Namespace) -> str:
    """List the settings that make another result than the default ones, as they are given: `--strength 0.5`."""
    parser, words = _parser(), []
    for name in _HOW:
        value = getattr(settings, name)
        if value != parser.get_default(name):
            value = ','.join(map(str, value)) if isinstance(value, tuple) else value
            shown = f' {value:g}' if isinstance(value, float) else f' {value}' if not isinstance(value, bool) else ''
            words.append(f'--{"no-" * (value is False)}{name}{shown}')
    return ' '.join(words)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog='amsnet-denoise',
        usage='amsnet-denoise INPUT... -o OUT [options]',
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
        epilog='Exit status: 0 all done, 1 some images failed, 2 wrong usage or model, 130 interrupted.',
    )
    add = parser.add_argument_group('images').add_argument
    add('inputs', nargs='+', metavar='INPUT', help='images, folders, or patterns in quotes')
    add('-o', '--output', required=True, metavar='OUT', help='folder to write to; a file name if there is one image')
    add('--suffix', type=_suffix, default='', help='add to the file names, such as _clean')
    formats = ('auto', 'png', 'jpg', 'tif', 'webp', 'avif')
    add('--ext', choices=formats, default='auto', help='format; auto keeps that of the input')
    quality = 'quality of JPEG, WebP and AVIF (default 95)'
    add('--quality', type=_number(1, 100, int), default=95, metavar='1..100', help=quality)
    add('--compare', action='store_true', help='also write noisy | denoised to NAME_compare.png')
    preview = 'instead, write this crop at several strengths, side by side'
    add('--preview', type=_crop, metavar='X,Y,W,H', help=preview)
    add('--gallery', metavar='HTML', help='also write a page with a before/after slider for each image')
    add('--overwrite', action='store_true', help='replace existing outputs instead of skipping them')

    add = parser.add_argument_group('model').add_argument
    model = 'weights, .pth or .safetensors, or the folder of a fit; default: the shipped ones'
    add('--model', metavar='FILE', help=model)
    add('--opt', metavar='YML', help='options file with network and scheme; default: from the weights')
    parts = 'import a package of your own first, which registers the network that --opt names'
    add('--import', dest='parts', action='append', default=[], metavar='PACKAGE', help=parts)
    schemes = ('auto', 'amsnet', 'plain')
    add('--scheme', choices=schemes, default='auto', help='masks over sub-images, or one pass')
    refine = 'R3 refinement: better and many times slower (masks only)'
    add('--refine', action=argparse.BooleanOptionalAction, help=refine)
    strength = 'auto restores detail; a number blends with the noisy image: 1 is the network alone'
    add('--strength', type=_number(0, 1, word='auto'), default='auto', metavar='auto|0..1', help=strength)
    add('--luma', type=_number(0, 1), metavar='0..1', help='strength for brightness alone')
    add('--chroma', type=_number(0, 1), metavar='0..1', help='strength for colours alone')
    grain = 'share of what would be removed that is kept (default 0)'
    add('--grain', type=_number(0, 1), default=0.0, metavar='0..1', help=grain)
    add('--seed', type=_number(0, 2**63 - 1, int), default=0, metavar='N', help='seed of the masks (default 0)')

    add = parser.add_argument_group('computing').add_argument
    tile = 'side in pixels; auto: by free memory; 0: no tiles'
    add('--tile', type=_tile, default='auto', metavar='SIZE', help=tile)
    add('--device', type=_device, help='cpu, cuda, cuda:1 or mps; default: a GPU where there is one')
    precisions = ('auto', 'float32', 'bfloat16', 'float16')
    precision = 'auto: bfloat16 where it is faster and stays within one level of 255'
    add('--precision', choices=precisions, default='float32', help=precision)

    add = parser.add_argument_group('report').add_argument
    json = 'write a summary; without a path to stdout, text to stderr'
    add('--json', nargs='?', const='-', metavar='PATH', help=json)
    add('-q', '--quiet', action='store_true', help='print errors only')
    add('--version', action='version', version=f'amsnet-denoise {__version__}')
    add('-h', '--help', action='help', help='print this and exit')
    return parser


def _suffix(text: str) -> str:
    if '/' in text or '\\' in text:
        raise argparse.ArgumentTypeError(f'a part of a name, without slashes, got {text!r}')
    return text


def _crop(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r'\d{1,6},\d{1,6},[1-9]\d{0,5},[1-9]\d{0,5}', text, re.ASCII):
        raise argparse.ArgumentTypeError(f'must be left,top,width,height in pixels, as 100,200,320,320, got {text!r}')
    return tuple(map(int, text.split(',')))


def _tile(text: str) -> int | str:
    if text == 'auto':
        return text
    if not re.fullmatch(r'\d{1,9}', text, re.ASCII) or 0 < int(text) < SMALLEST_TILE:
        raise argparse.ArgumentTypeError(f'must be {SMALLEST_TILE} pixels or more, 0 or auto, got {text!r}')
    return int(text)


def _device(text: str) -> str:
    if not re.fullmatch(r'[a-z]+(:\d+)?', text):  # PyTorch would name every kind of device that it has ever had
        raise argparse.ArgumentTypeError(f'must be cpu, cuda, cuda:1 or mps, got {text!r}')
    return text


def _number(
    lowest: int, highest: int, kind: type[int] | type[float] = float, word: str | None = None
) -> Callable[[str], float | str]:
    """Return what reads a number within bounds, or a word."""

    def read(text: str) -> float | str:
        if text == word:
            return text
        with suppress(ValueError):
            if lowest <= (value := kind(text)) <= highest:
                return value
        what = 'whole number' if kind is int else 'number'
        raise argparse.ArgumentTypeError(f'must be a {what} from {lowest} to {highest}, got {text!r}')

    return read
