"""The command line of `amsnet-denoise`, read without PyTorch."""

import argparse
import re
from collections.abc import Mapping, Sequence
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
_HOW = ('model', 'opt', 'scheme', 'refine', *_BLEND, 'seed', 'tile', 'precision', 'quality')


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
    parser = _parser()
    settings = parser.parse_intermixed_args(list(arguments) or ['--help'])
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
    group = parser.add_argument_group('images')
    group.add_argument('inputs', nargs='+', metavar='INPUT', help='images, folders, or patterns in quotes')
    group.add_argument(
        '-o', '--output', required=True, metavar='OUT', help='folder to write to; a file name if there is one image'
    )
    group.add_argument('--suffix', type=_suffix, default='', help='add to the file names, such as _clean')
    group.add_argument(
        '--ext',
        choices=('auto', 'png', 'jpg', 'tif', 'webp', 'avif'),
        default='auto',
        help='format; auto keeps that of the input',
    )
    group.add_argument(
        '--quality', type=_quality, default=95, metavar='1..100', help='quality of JPEG, WebP and AVIF (default 95)'
    )
    group.add_argument('--compare', action='store_true', help='also write noisy | denoised to NAME_compare.png')
    group.add_argument(
        '--preview', type=_crop, metavar='X,Y,W,H', help='instead, write this crop at several strengths, side by side'
    )
    group.add_argument('--gallery', metavar='HTML', help='also write a page with a before/after slider for each image')
    group.add_argument('--overwrite', action='store_true', help='replace existing outputs instead of skipping them')
    group = parser.add_argument_group('model')
    group.add_argument(
        '--model',
        metavar='FILE',
        help='weights, .pth or .safetensors, or the folder of a fit; default: the shipped ones',
    )
    group.add_argument('--opt', metavar='YML', help='options file with network and scheme; default: from the weights')
    group.add_argument(
        '--import',
        dest='parts',
        action='append',
        default=[],
        metavar='PACKAGE',
        help='import a package of your own first, which registers the network that --opt names',
    )
    group.add_argument(
        '--scheme', choices=('auto', 'amsnet', 'plain'), default='auto', help='masks over sub-images, or one pass'
    )
    group.add_argument(
        '--refine',
        action=argparse.BooleanOptionalAction,
        help='R3 refinement: better and many times slower (masks only)',
    )
    group.add_argument(
        '--strength',
        type=_strength,
        default='auto',
        metavar='auto|0..1',
        help='auto restores detail; a number blends with the noisy image: 1 is the network alone',
    )
    group.add_argument('--luma', type=_share, metavar='0..1', help='strength for brightness alone')
    group.add_argument('--chroma', type=_share, metavar='0..1', help='strength for colours alone')
    group.add_argument(
        '--grain',
        type=_share,
        default=0.0,
        metavar='0..1',
        help='share of what would be removed that is kept (default 0)',
    )
    group.add_argument('--seed', type=_seed, default=0, metavar='N', help='seed of the masks (default 0)')
    group = parser.add_argument_group('computing')
    group.add_argument(
        '--tile',
        type=_tile,
        default='auto',
        metavar='SIZE',
        help='side in pixels; auto: by free memory; 0: no tiles',
    )
    group.add_argument('--device', type=_device, help='cpu, cuda, cuda:1 or mps; default: a GPU where there is one')
    group.add_argument(
        '--precision',
        choices=('auto', 'float32', 'bfloat16', 'float16'),
        default='float32',
        help='auto: bfloat16 where it is faster and stays within one level of 255',
    )
    group = parser.add_argument_group('report')
    group.add_argument(
        '--json', nargs='?', const='-', metavar='PATH', help='write a summary; without a path to stdout, text to stderr'
    )
    group.add_argument('-q', '--quiet', action='store_true', help='print errors only')
    group.add_argument('--version', action='version', version=f'amsnet-denoise {__version__}')
    group.add_argument('-h', '--help', action='help', help='print this and exit')
    return parser


def _suffix(text: str) -> str:
    if '/' in text or '\\' in text:
        raise argparse.ArgumentTypeError(f'a part of a name, without slashes, got {text!r}')
    return text


def _crop(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r'\d{1,6},\d{1,6},[1-9]\d{0,5},[1-9]\d{0,5}', text, re.ASCII):
        raise argparse.ArgumentTypeError(f'must be left,top,width,height in pixels, as 100,200,320,320, got {text!r}')
    return tuple(map(int, text.split(',')))


def _quality(text: str) -> int:
    return int(_between(text, 1, 100, whole=True))


def _strength(text: str) -> float | str:
    return text if text == 'auto' else _share(text)


def _share(text: str) -> float:
    return _between(text, 0, 1)


def _seed(text: str) -> int:
    return int(_between(text, 0, 2**63 - 1, whole=True))


def _tile(text: str) -> int | str:
    if text == 'auto':
        return text
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f'must be a number of pixels, 0 or auto, got {text!r}')
    if 0 < int(text) < SMALLEST_TILE:
        raise argparse.ArgumentTypeError(
            f'{text} is too small for a network to see enough; {SMALLEST_TILE} or more, 0 or auto'
        )
    return int(text)


def _device(text: str) -> str:
    if not re.fullmatch(r'[a-z]+(:\d+)?', text):
        raise argparse.ArgumentTypeError(f'must be cpu, cuda, cuda:1 or mps, got {text!r}')
    return text


def _between(text: str, lowest: int, highest: int, whole: bool = False) -> float:
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = float('nan')
    if not lowest <= value <= highest:
        kind = 'whole number' if whole else 'number'
        raise argparse.ArgumentTypeError(f'must be a {kind} from {lowest} to {highest}, got {text!r}')
    return value
