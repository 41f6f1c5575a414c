"""The gallery's HTML: `page.html` with texts and images filled in. Everything is inline, nothing is fetched."""

import base64
import hashlib
import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from amsnet_basicsr.denoise.detail import detailed_part
from amsnet_basicsr.denoise.gallery.crops import cut, data_uri, shrink
from amsnet_basicsr.images import ImageData

LONGEST_SIDE = 1600
"""Larger images are shown smaller, with this longest side in pixels."""
DETAIL_SIDE = 320
"""Side in pixels of the part that is shown pixel by pixel."""

_PAGE = Path(__file__).with_name('page.html').read_text(encoding='utf-8')
#: All before the first image, an image, what is dragged in it, all after the last image.
_HEAD, _FIGURE, _STAGE, _TAIL = map(Template, re.split(r'<!-- (?:image|stage|end) -->\n', _PAGE))
_SCRIPT = _PAGE.partition('<script>')[2].partition('</script>')[0]


@dataclass(frozen=True)
class GalleryEntry:
    """An image of the gallery.

    Attributes:
        name: What to call it; any text.
        noisy: Before.
        denoised: After, of the same size.
        facts: What to say of it, by what it is, e.g. `{'seconds': '1.2'}`; its size is said anyway.
    """

    name: str
    noisy: ImageData
    denoised: ImageData
    facts: Mapping[str, str]


def page_head(title: str) -> str:
    """Return everything before the first image; the title may be any text."""
    # Only this one script may run, whatever a name may smuggle in, and nothing may be loaded.
    digest = hashlib.sha256(_SCRIPT.encode()).digest()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{base64.b64encode(digest).decode()}'; base-uri 'none'; form-action 'none'"
    )
    return _HEAD.substitute(title=_text(title), policy=policy)


def page_tail(count: int, failed: Sequence[tuple[str, str]], program: str) -> str:
    """Return everything after the last of `count` images: failed ones with their reasons, and what wrote the page."""
    lines = ''.join(f'<li><bdi>{_text(name)}</bdi>: {_text(reason)}</li>\n' for name, reason in failed)
    section = f'<section class="failed"><h2>Not denoised</h2>\n<ul>\n{lines}</ul></section>\n' if failed else ''
    return _TAIL.substitute(count=f'{count} image{"s" * (count > 1)}', failed=section, program=_text(program))


def figure(entry: GalleryEntry) -> str:
    """Return the HTML of an image: the whole of it, maybe made smaller, and its most detailed part pixel by pixel.

    A small image is shown pixel by pixel only. A ValueError if the two versions differ in size.
    """
    pair = entry.noisy, entry.denoised
    (height, width, _), (*size, _) = (image.pixels.shape for image in pair)
    if size != [height, width]:
        found = '×'.join(map(str, reversed(size)))
        raise ValueError(f'{entry.name}: the denoised image is {found}, the noisy one {width}×{height}')
    facts = {'size': f'{width} × {height}, {entry.noisy.bits} bit', **entry.facts}
    rows = (f'<div><dt>{_text(key)}</dt><dd><bdi>{_text(value)}</bdi></dd></div>' for key, value in facts.items())
    whole = ''
    if max(height, width) > DETAIL_SIDE:
        small = shrink(entry.noisy, LONGEST_SIDE), shrink(entry.denoised, LONGEST_SIDE)
        top, left, h, w = detailed_part(small[1].pixels, (height, width), (DETAIL_SIDE, DETAIL_SIDE))
        shares = {'left': left / width, 'top': top / height, 'width': w / width, 'height': h / height}
        mark = ';'.join(f'{side}:{share:.3%}' for side, share in shares.items())
        stage = _stage(entry.name, 'whole', *small, quality=85, mark=f'<span class="spot" style="{mark}"></span>')
        whole = f'<div class="whole" style="{_sizes(small[0], 1)}">{stage}</div>\n'
        pair = cut(pair[0], top, left, h, w), cut(pair[1], top, left, h, w)
    # Very small images are enlarged by a whole number, so that the line can be moved over them.
    scale = max(1, min(16, DETAIL_SIDE // max(pair[0].pixels.shape[:2])))
    buttons = (
        f'<button type="button" data-z="{zoom}" aria-pressed="{pressed}">{zoom * scale}:1</button>'
        for zoom, pressed in ((1, 'true'), (2, 'false'), (4, 'false'))
    )
    return _FIGURE.substitute(
        name=_text(entry.name),
        facts=''.join(rows),
        whole=whole,
        sizes=_sizes(pair[0], scale),
        detail=_stage(entry.name, 'detail', *pair),
        label='Detail' if whole else 'Pixels',
        buttons=''.join(buttons),
    )


def _stage(
    name: str, part: str, noisy: ImageData, denoised: ImageData, quality: int | None = None, mark: str = ''
) -> str:
    """Return the HTML of two versions with a line to drag; lossless if `quality`, 1 to 100, is None."""
    height, width, _ = noisy.pixels.shape
    before, after = (data_uri(image, quality) for image in (noisy, denoised))
    filled = _STAGE.substitute(
        noisy=before, denoised=after, width=width, height=height, name=_text(name), part=part, mark=mark
    )
    return filled.rstrip('\n')


def _sizes(image: ImageData, scale: int) -> str:
    height, width, _ = image.pixels.shape
    return f'--w:{width};--h:{height};--k:{scale}'


def _text(text: str) -> str:
    """Escape any text for HTML; what no HTML file can hold (parts of undecodable file names, controls) is replaced."""
    shown = ''.join('\N{REPLACEMENT CHARACTER}' if unicodedata.category(c) in ('Cc', 'Cs') else c for c in text)
    return html.escape(shown, quote=True)
