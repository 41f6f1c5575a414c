"""The parts of the gallery's HTML page: text in, HTML out. Everything is inline, nothing is fetched."""

import base64
import hashlib
import html
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

_STYLE = """
:root {
  color-scheme: light dark;
  --page: #f4f4f2; --card: #fff; --ink: #1c1c1a; --soft: #63635e; --line: #dcdcd7; --accent: #0b62c4;
  --check: #d6d6d2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #161617; --card: #212123; --ink: #ececea; --soft: #a2a29d; --line: #37373a; --accent: #6fb1ff;
    --check: #3a3a3d;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem clamp(.75rem, 3vw, 2.5rem) 2rem; max-width: 110rem;
  background: var(--page); color: var(--ink); font: 1rem/1.45 system-ui, sans-serif;
}
h1 { margin: 0; font-size: 1.5rem; overflow-wrap: anywhere; }
body > p, footer { margin: .25rem 0 1.5rem; color: var(--soft); }
figure {
  --p: 50%; --z: 1;
  margin: 0 0 1.5rem; padding: clamp(.75rem, 2vw, 1.25rem);
  background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
}
h2 { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; margin: .2rem 0 .9rem; }
dt, dd { font-size: .875rem; }
dt { color: var(--soft); overflow-wrap: anywhere; min-width: 0; }
dl div { display: flex; gap: .4rem; min-width: 0; }
dt::after { content: ":"; }
dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
.views { display: flex; flex-direction: column; gap: 1rem; align-items: flex-start; }
.whole { width: 100%; max-width: min(max(20rem, var(--w) * 1px), max(4rem, 85vh * var(--w) / var(--h))); }
.detail { max-width: 100%; }
@media (min-width: 56rem) {
  .views { flex-direction: row; }
  .whole { flex: 0 1 auto; min-width: 0; }
  .detail { flex: none; }
}
.stage {
  position: relative; width: 100%; overflow: hidden; border-radius: .4rem; cursor: ew-resize; user-select: none;
  touch-action: pan-y; container-type: inline-size; aspect-ratio: var(--w) / var(--h);
  min-width: 4rem; min-height: 4rem; max-height: 85vh;
  background: repeating-conic-gradient(var(--check) 0 25%, var(--card) 0 50%) 0 0 / 1rem 1rem;
}
.detail .stage { width: calc(var(--w) * var(--k) * 1px); max-width: 100%; }
.noisy, .denoised { position: absolute; inset: 0; }
.noisy { clip-path: inset(0 calc(100% - var(--p)) 0 0); }
.denoised { clip-path: inset(0 0 0 var(--p)); }
.stage img { position: absolute; inset: 0; width: 100%; height: 100%; }
.detail img {
  inset: 50% auto auto 50%; max-width: none; transform: translate(-50%, -50%); image-rendering: pixelated;
  width: calc(var(--w) * var(--k) * var(--z) * 1px); height: calc(var(--h) * var(--k) * var(--z) * 1px);
}
.stage b {
  position: absolute; top: .5rem; padding: .05rem .5rem; border-radius: 1rem; white-space: nowrap;
  background: rgb(0 0 0 / .6); color: #fff; font-size: .75rem; font-weight: 500;
}
@container (max-width: 9rem) { .stage b { display: none; } }
.noisy b { left: .5rem; }
.denoised b { right: .5rem; }
.line {
  position: absolute; inset: 0 auto 0 var(--p); width: 2px; margin-left: -1px; pointer-events: none;
  background: #fff; box-shadow: 0 0 2px 1px rgb(0 0 0 / .45);
}
.line::after {
  content: ""; position: absolute; top: 50%; left: 50%; width: 2rem; height: 2rem; border-radius: 50%;
  transform: translate(-50%, -50%); box-shadow: 0 0 4px rgb(0 0 0 / .5);
  background: #fff url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32' fill='none' \
stroke='%23222' stroke-width='3' stroke-linecap='round'%3E%3Cpath d='m12 10-6 6 6 6M20 10l6 6-6 6'/%3E%3C/svg%3E");
}
.stage input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; pointer-events: none; }
.stage input:focus-visible ~ .line::after { outline: 3px solid var(--accent); outline-offset: 2px; }
.spot {
  position: absolute; pointer-events: none;
  box-shadow: inset 0 0 0 1px rgb(255 255 255 / .8), inset 0 0 0 2px rgb(0 0 0 / .4);
}
.tools { display: flex; flex-wrap: wrap; gap: .3rem .4rem; align-items: center; margin-top: .5rem; }
.tools span { color: var(--soft); font-size: .875rem; margin-right: .3rem; }
button {
  min-width: 2.9rem; padding: .3rem .5rem; border: 1px solid var(--line); border-radius: .4rem; background: none;
  color: var(--ink); font: inherit; font-size: .8125rem; cursor: pointer;
}
button[aria-pressed=true] { border-color: var(--accent); color: var(--accent); }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
footer { margin: 0; font-size: .875rem; }
"""

_SCRIPT = """
'use strict';
function show(figure, share) {
  share = Math.min(100, Math.max(0, share));
  figure.style.setProperty('--p', share + '%');
  for (const range of figure.querySelectorAll('input')) {
    range.value = share;
    range.setAttribute('aria-valuetext', Math.round(share) + ' % noisy');
  }
}
function follow(stage, event) {
  const box = stage.getBoundingClientRect();
  show(stage.closest('figure'), (event.clientX - box.left) / box.width * 100);
}
document.addEventListener('input', (event) => show(event.target.closest('figure'), Number(event.target.value)));
document.addEventListener('pointerdown', (event) => {
  const stage = event.target.closest('.stage');
  if (!stage || event.button) return;
  stage.setPointerCapture(event.pointerId);
  // A finger may be about to scroll; it moves the line once it moves sideways, or by a tap.
  if (event.pointerType === 'mouse') follow(stage, event);
});
document.addEventListener('pointermove', (event) => {
  const stage = event.target.closest('.stage');
  if (stage && stage.hasPointerCapture(event.pointerId)) follow(stage, event);
});
document.addEventListener('click', (event) => {
  const stage = event.target.closest('.stage');
  if (stage) {
    if (event.detail) follow(stage, event);
    stage.querySelector('input').focus({preventScroll: true, focusVisible: false});
  }
  const button = event.target.closest('button');
  if (button) {
    button.closest('figure').style.setProperty('--z', button.dataset.z);
    for (const each of button.parentElement.querySelectorAll('button')) {
      each.setAttribute('aria-pressed', String(each === button));
    }
  }
});
"""


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
    """Begin the page: everything before the first image.

    Args:
        title: Heading and title of the page; any text.
    """
    # Only this one script may run, whatever a name may smuggle in, and nothing may be loaded.
    script_hash = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{_text(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{_text(title)}</h1>
<p>Left of the line noisy, right of it denoised. Drag the line, or move it by the arrow keys.</p>
<noscript><p>The line needs JavaScript to move.</p></noscript>
"""


def page_tail(count: int, program: str) -> str:
    """End the page.

    Args:
        count: Number of images on it.
        program: Name and version of what wrote it.
    """
    images = {0: 'No images', 1: '1 image'}.get(count, f'{count} images')
    return f'<footer>{images}. {_text(program)}</footer>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n'


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
        parts.append(f'<div class="whole" {_sizes(whole, 1)}>{_stage(name, whole, mark)}</div>\n')
    # Very small images are enlarged by a whole number, so that the line can be moved over them.
    scale = max(1, min(16, 320 // max(detail.noisy.width, detail.noisy.height)))
    buttons = ''.join(
        f'<button type="button" data-z="{zoom}" aria-pressed="{pressed}">{zoom * scale}:1</button>'
        for zoom, pressed in ((1, 'true'), (2, 'false'), (4, 'false'))
    )
    label = 'Detail' if whole is not None else 'Pixels'
    tools = f'<div class="tools" role="group" aria-label="Magnification"><span>{label}</span>{buttons}</div>'
    parts.append(
        f'<div class="detail" {_sizes(detail, scale)}>{_stage(name, detail)}{tools}</div>\n</div>\n</figure>\n'
    )
    return ''.join(parts)


def _sizes(view: View, scale: int) -> str:
    return f'style="--w:{view.noisy.width};--h:{view.noisy.height};--k:{scale}"'


def _stage(name: str, view: View, mark: str = '') -> str:
    def layer(kind: str, image: EncodedImage) -> str:
        data = base64.b64encode(image.content).decode()
        return (
            f'<div class="{kind}"><img src="data:{image.media_type};base64,{data}" alt="{kind}: {_text(name)}" '
            f'width="{image.width}" height="{image.height}" decoding="async" draggable="false"><b>{kind}</b></div>'
        )

    return (
        f'<div class="stage">{layer("noisy", view.noisy)}{layer("denoised", view.denoised)}{mark}'
        '<input type="range" min="0" max="100" value="50" aria-valuetext="50 % noisy" '
        f'aria-label="Share of the noisy image: {_text(name)}"><div class="line"></div></div>'
    )


def _text(text: str) -> str:
    """Escape any text for HTML; what no HTML file can hold (parts of undecodable file names, controls) is replaced."""
    shown = ''.join('\N{REPLACEMENT CHARACTER}' if unicodedata.category(c) in ('Cc', 'Cs') else c for c in text)
    return html.escape(shown, quote=True)
