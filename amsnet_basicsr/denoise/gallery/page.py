"""The gallery's HTML: `page.html` with texts and images filled in. Everything is inline, nothing is fetched."""

import base64
import hashlib
import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

_PAGE = Path(__file__).with_name('page.html')
_PARTS = re.compile(r'<!-- (?:image|stage|end) -->\n')


class View(NamedTuple):
    """The same part of an image, noisy and denoised, as data URIs, and its size in pixels."""

    noisy: str
    denoised: str
    width: int
    height: int


def page_head(title: str) -> str:
    """Return everything before the first image; the title may be any text."""
    head, *_ = _templates()
    script = re.search(r'<script>(.*)</script>', _PAGE.read_text(encoding='utf-8'), re.DOTALL)
    # Only this one script may run, whatever a name may smuggle in, and nothing may be loaded.
    digest = hashlib.sha256(script[1].encode()).digest() if script else b''
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{base64.b64encode(digest).decode()}'; base-uri 'none'; form-action 'none'"
    )
    return head.substitute(title=_text(title), policy=policy)


def page_tail(count: int, failed: Sequence[tuple[str, str]], program: str) -> str:
    """Return everything after the last of `count` images: failed ones with their reasons, and what wrote the page."""
    *_, tail = _templates()
    images = {0: 'No images', 1: '1 image'}.get(count, f'{count} images')
    lines = ''.join(f'<li><bdi>{_text(name)}</bdi>: {_text(reason)}</li>\n' for name, reason in failed)
    section = f'<section class="failed"><h2>Not denoised</h2>\n<ul>\n{lines}</ul></section>\n' if failed else ''
    return tail.substitute(count=images, failed=section, program=_text(program))


def figure(
    name: str,
    facts: Mapping[str, str],
    whole: View | None,
    detail: View,
    spot: tuple[float, float, float, float],
) -> str:
    """Return the HTML of one image; its name and facts may be any text.

    `detail` is a part of it pixel by pixel, which lies at `spot`: left, top, width and height as shares of the whole.
    `whole`, maybe made smaller, is None if that part is all of it.
    """
    _, image, stage, _ = _templates()
    name = _text(name)

    def fill(part: str, view: View, mark: str = '') -> str:
        return stage.substitute(view._asdict(), name=name, part=part, mark=mark).rstrip('\n')

    rows = (f'<div><dt>{_text(key)}</dt><dd><bdi>{_text(value)}</bdi></dd></div>' for key, value in facts.items())
    whole_view = ''
    if whole is not None:
        sides = zip(('left', 'top', 'width', 'height'), spot, strict=True)
        mark = f'<span class="spot" style="{";".join(f"{side}:{share * 100:.3f}%" for side, share in sides)}"></span>'
        whole_view = f'<div class="whole" style="{_sizes(whole, 1)}">{fill("whole", whole, mark)}</div>\n'
    # Very small images are enlarged by a whole number, so that the line can be moved over them.
    scale = max(1, min(16, 320 // max(detail.width, detail.height)))
    buttons = (
        f'<button type="button" data-z="{zoom}" aria-pressed="{pressed}">{zoom * scale}:1</button>'
        for zoom, pressed in ((1, 'true'), (2, 'false'), (4, 'false'))
    )
    return image.substitute(
        name=name,
        facts=''.join(rows),
        whole=whole_view,
        sizes=_sizes(detail, scale),
        detail=fill('detail', detail),
        label='Pixels' if whole is None else 'Detail',
        buttons=''.join(buttons),
    )


def _templates() -> list[Template]:
    """The page's parts: all before the first image, an image, what is dragged in it, all after the last image."""
    return [Template(part) for part in _PARTS.split(_PAGE.read_text(encoding='utf-8'))]


def _sizes(view: View, scale: int) -> str:
    return f'--w:{view.width};--h:{view.height};--k:{scale}'


def _text(text: str) -> str:
    """Escape any text for HTML; what no HTML file can hold (parts of undecodable file names, controls) is replaced."""
    shown = ''.join('\N{REPLACEMENT CHARACTER}' if unicodedata.category(c) in ('Cc', 'Cs') else c for c in text)
    return html.escape(shown, quote=True)
