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

_PAGE = Path(__file__).with_name('page.html')


@dataclass(frozen=True)
class EncodedImage:
    """An encoded image.

    Attributes:
        media_type: E.g. 'image/webp'.
        content: The encoded file.
        width: Its width in pixels.
        height: Its height in pixels.
    """

    media_type: str
    content: bytes
    width: int
    height: int


@dataclass(frozen=True)
class View:
    """The same part of an image, noisy and denoised.

    Attributes:
        noisy: Before.
        denoised: After, of the same size.
    """

    noisy: EncodedImage
    denoised: EncodedImage


def page_head(title: str) -> str:
    """Return everything before the first image; the title may be any text."""
    head, _ = _template()
    script = re.search(r'<script>(.*)</script>', _PAGE.read_text(encoding='utf-8'), re.DOTALL)
    # Only this one script may run, whatever a name may smuggle in, and nothing may be loaded.
    digest = hashlib.sha256(script[1].encode()).digest() if script else b''
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{base64.b64encode(digest).decode()}'; base-uri 'none'; form-action 'none'"
    )
    return head.substitute(title=_text(title), policy=policy)


def page_tail(count: int, failed: Sequence[tuple[str, str]], program: str) -> str:
    """Return everything after the last image.

    Args:
        count: Number of images on the page.
        failed: Name and reason of each image that could not be denoised.
        program: Name and version of what wrote it.
    """
    _, tail = _template()
    images = {0: 'No images', 1: '1 image'}.get(count, f'{count} images')
    lines = ''.join(f'<li><bdi>{_text(name)}</bdi>: {_text(reason)}</li>\n' for name, reason in failed)
    section = f'<section class="failed"><h2>Not denoised</h2>\n<ul>\n{lines}</ul></section>\n' if failed else ''
    return tail.substitute(count=images, failed=section, program=_text(program))


def _template() -> tuple[Template, Template]:
    head, tail = _PAGE.read_text(encoding='utf-8').split('<!-- images -->\n')
    return Template(head), Template(tail)


def figure(
    name: str,
    facts: Mapping[str, str],
    whole: View | None,
    detail: View,
    spot: tuple[float, float, float, float],
) -> str:
    """One image of the page.

    Args:
        name: Name of the image; any text, such as an odd file name.
        facts: What is known of it, by what it is; any text.
        whole: The whole image, maybe made smaller; None if `detail` is already all of it.
        detail: A part of it, pixel by pixel.
        spot: Left, top, width and height of that part, as shares of the whole.

    Returns:
        HTML.
    """
    rows = ''.join(
        f'<div><dt>{_text(key)}</dt><dd><bdi>{_text(value)}</bdi></dd></div>' for key, value in facts.items()
    )
    parts = [f'<figure>\n<h2><bdi>{_text(name)}</bdi></h2>\n<dl>{rows}</dl>\n<div class="views">\n']
    if whole is not None:
        sides = zip(('left', 'top', 'width', 'height'), spot, strict=True)
        mark = f'<span class="spot" style="{";".join(f"{side}:{share * 100:.3f}%" for side, share in sides)}"></span>'
        parts.append(f'<div class="whole" {_sizes(whole, 1)}>{_stage(name, "whole", whole, mark)}</div>\n')
    # Very small images are enlarged by a whole number, so that the line can be moved over them.
    scale = max(1, min(16, 320 // max(detail.noisy.width, detail.noisy.height)))
    buttons = ''.join(
        f'<button type="button" data-z="{zoom}" aria-pressed="{pressed}">{zoom * scale}:1</button>'
        for zoom, pressed in ((1, 'true'), (2, 'false'), (4, 'false'))
    )
    label = 'Detail' if whole is not None else 'Pixels'
    group = f'role="group" aria-label="Magnification: {_text(name)}"'
    tools = f'<div class="tools" {group}><span>{label}</span>{buttons}</div>'
    stage = _stage(name, 'detail', detail)
    parts.append(f'<div class="detail" {_sizes(detail, scale)}>{stage}{tools}</div>\n</div>\n</figure>\n')
    return ''.join(parts)


def _sizes(view: View, scale: int) -> str:
    return f'style="--w:{view.noisy.width};--h:{view.noisy.height};--k:{scale}"'


def _stage(name: str, part: str, view: View, mark: str = '') -> str:
    def layer(kind: str, image: EncodedImage) -> str:
        data = base64.b64encode(image.content).decode()
        return (
            f'<div class="{kind}"><img src="data:{image.media_type};base64,{data}" alt="{kind}: {_text(name)}" '
            f'width="{image.width}" height="{image.height}" decoding="async" draggable="false"><b>{kind}</b></div>'
        )

    return (
        f'<div class="stage">{layer("noisy", view.noisy)}{layer("denoised", view.denoised)}{mark}'
        '<input type="range" min="0" max="100" value="50" aria-valuetext="50 % noisy" '
        f'aria-label="Share of the noisy image, {part}: {_text(name)}"><div class="line"></div></div>'
    )


def _text(text: str) -> str:
    """Escape any text for HTML; what no HTML file can hold (parts of undecodable file names, controls) is replaced."""
    shown = ''.join('\N{REPLACEMENT CHARACTER}' if unicodedata.category(c) in ('Cc', 'Cs') else c for c in text)
    return html.escape(shown, quote=True)
