"""Drawn scenes full of what denoised training images lack: text, lines, checks, stars, leaves, and dense textures."""

from collections.abc import Callable

import cv2
import numpy as np

from amsnet_basicsr.simulation.dead_leaves import dead_leaves, filtered_noise, frequencies

_LETTERS = list('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;!?%&()+-=/ ')
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX_SMALL,
    cv2.FONT_HERSHEY_TRIPLEX,
)


def draw_scene(side: int, palette: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw a scene: leaves, or a background with text, lines, checks, stars, strokes or a texture on it.

    Arguments and result are those of `dead_leaves`.
    """
    if generator.random() < 0.5:
        return dead_leaves(side, palette, generator)
    canvas = _background(side, palette, generator)
    for _ in range(int(generator.integers(1, 4))):
        _OVERLAYS[int(generator.integers(len(_OVERLAYS)))](canvas, generator)
    if generator.random() < 0.5:
        canvas = cv2.GaussianBlur(canvas, (0, 0), float(generator.uniform(0.3, 0.9)))
    return canvas


def _colour(generator: np.random.Generator) -> list[int]:
    """A random colour, grey half of the time."""
    values = generator.integers(0, 256, 3)
    return [int(values[0])] * 3 if generator.random() < 0.5 else values.tolist()


def _background(side: int, palette: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A plain colour, a gradient between colours of the corners, or leaves of low contrast."""
    kind = generator.integers(4)
    if kind == 0:
        return np.full((side, side, 3), _colour(generator), np.uint8)
    if kind == 1:
        leaves = dead_leaves(side, palette, generator)
        return cv2.addWeighted(leaves, 0.3, np.full_like(leaves, _colour(generator)), 0.7, 0)
    corners = np.array([_colour(generator) for _ in range(4)], np.float32).reshape(2, 2, 3)
    y, x = np.mgrid[:side, :side].astype(np.float32) / (side - 1)
    weights = np.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x], axis=-1)
    return (weights @ corners.reshape(4, 3)).round().astype(np.uint8)


def _text(canvas: np.ndarray, generator: np.random.Generator) -> None:
    side = len(canvas)
    font = _FONTS[int(generator.integers(len(_FONTS)))]
    scale, thickness = float(generator.uniform(0.3, 1.3)), int(generator.integers(1, 3))
    colour, step = _colour(generator), int(22 * scale) + 6
    for bottom in range(step, side, step):
        line = ''.join(generator.choice(_LETTERS, int(generator.integers(5, 60))))
        left = int(generator.integers(-20, side // 3))
        cv2.putText(canvas, line, (left, bottom), font, scale, colour, thickness, cv2.LINE_AA)


def _lines(canvas: np.ndarray, generator: np.random.Generator) -> None:
    side = len(canvas)
    for _ in range(int(generator.integers(5, 60))):
        ends = generator.integers(-10, side + 10, (2, 2)).tolist()
        cv2.line(canvas, ends[0], ends[1], _colour(generator), int(generator.integers(1, 4)), cv2.LINE_AA)
    for _ in range(int(generator.integers(0, 12))):
        centre, radius = generator.integers(0, side, 2).tolist(), int(generator.integers(2, side // 2))
        cv2.circle(canvas, centre, radius, _colour(generator), int(generator.integers(1, 3)), cv2.LINE_AA)


def _checks(canvas: np.ndarray, generator: np.random.Generator) -> None:
    """Stripes, grids and checks of 1 to 12 pixels in a part of the image."""
    side = len(canvas)
    top, left = generator.integers(0, side // 2, 2)
    height, width = generator.integers(side // 4, side, 2)
    part = canvas[top : top + height, left : left + width]
    y, x = np.mgrid[: part.shape[0], : part.shape[1]]
    down, across = generator.integers(1, 13, 2)
    kind = generator.integers(3)
    pattern = (y // down % 2) ^ (x // across % 2) if kind == 0 else (y // down % 2 if kind == 1 else x // across % 2)
    strength = generator.uniform(0.1, 1)
    part[:] = np.where(
        pattern[..., None] > 0, (1 - strength) * part + strength * np.array(_colour(generator)), part
    ).astype(np.uint8)


def _stars(canvas: np.ndarray, generator: np.random.Generator) -> None:
    """Points of light; the background is darkened first, half of the time."""
    if generator.random() < 0.5:
        canvas[:] = canvas // int(generator.integers(4, 16))
    points = np.zeros(canvas.shape, np.float32)
    count = int(generator.integers(10, 300))
    rows, columns = generator.integers(0, len(canvas), (2, count))
    points[rows, columns] = generator.uniform(100, 2000, (count, 1)) * generator.uniform(0.6, 1, (count, 3))
    points = np.asarray(cv2.GaussianBlur(points, (0, 0), float(generator.uniform(0.5, 1.2))))
    canvas[:] = (canvas + points).clip(0, 255).astype(np.uint8)


def _strokes(canvas: np.ndarray, generator: np.random.Generator) -> None:
    """Short strokes in a main direction, as of grass, fur and fabric, in shades of what they are painted on."""
    side = len(canvas)
    count = int(side**2 * generator.uniform(0.02, 0.2))
    length, spread, contrast = generator.uniform(2, 20), generator.uniform(0.02, 1.5), generator.uniform(0.05, 0.6)
    start = generator.uniform(0, side, (count, 2))
    angle = generator.uniform(0, 2 * np.pi) + spread * generator.standard_normal(count)
    end = start + length * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rows, columns = start.astype(int).T
    shades = canvas[rows, columns] * np.exp(contrast * generator.standard_normal((count, 1)))
    shades = shades + generator.uniform(0, 8) * generator.standard_normal((count, 3))
    ends = np.stack([start, end], axis=1).round().astype(int).tolist()
    for (first, last), shade in zip(ends, shades.clip(0, 255).round().tolist(), strict=True):
        cv2.line(canvas, first, last, shade, 1, cv2.LINE_AA)


def _rough(canvas: np.ndarray, generator: np.random.Generator) -> None:
    """A texture whose power falls with frequency, as of stone, sand, bark and clouds, alike in the channels."""
    side = len(canvas)
    amplitude = np.maximum(np.hypot(*frequencies(side)), 1 / side) ** -generator.uniform(0.8, 1.8)
    field = filtered_noise(amplitude, generator)
    if generator.random() < 0.5:  # edges: cracks and grains
        field = np.sign(field) * np.abs(field) ** generator.uniform(0.3, 1)
    canvas[:] = (canvas * np.exp(generator.uniform(0.03, 0.4) * field)[..., None]).clip(0, 255).astype(np.uint8)


_OVERLAYS: tuple[Callable[[np.ndarray, np.random.Generator], None], ...] = (
    _text,
    _lines,
    _checks,
    _stars,
    _strokes,
    _rough,
)
