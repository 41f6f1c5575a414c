"""Drawn pictures that are statistically like photographs: ellipses of all sizes that hide each other ("dead leaves").

Sizes that follow a power law give edges and detail at every scale, as the world has (Lee, Mumford and Huang, "Occlusion
models for natural images", 2001); denoisers learn from such pictures nearly as well as from photographs (Achddou,
Gousseau and Ladjal, "Synthetic images as a regularity prior for image restoration neural networks", 2021).
"""

import math

import cv2
import numpy as np

_OVERSAMPLING = 2
_SHIFT = 4  # binary digits of a coordinate below the pixel
_LAYERS = 5  # how often a place is painted over, in the mean


def dead_leaves(side: int, palette: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw a picture.

    How small the smallest leaves are (1 to 8 pixels), how soft the picture is (0 to 1 pixel) and its contrast (a
    quarter to all of the palette's) are drawn too: close-ups and crowds, sharp lenses and soft ones, sun and fog.

    Args:
        side: Height and width.
        palette: Colours to take, (P, 3), uint8; usually the pixels of photographs.
        generator: Of all that is drawn.

    Returns:
        Picture, (side, side, 3), uint8.
    """
    smallest, largest = 8 ** generator.random(), side / 2
    softness, contrast = generator.random(), generator.uniform(0.25, 1)
    mean_area = 2 * math.pi * math.log(largest / smallest) / (smallest**-2 - largest**-2)
    count = math.ceil(_LAYERS * side**2 / mean_area)
    # Density of the radius ~ r^-3: the inverse of its distribution function at uniform numbers.
    radius = (smallest**-2 - generator.random(count) * (smallest**-2 - largest**-2)) ** -0.5
    stretch = 3 ** generator.uniform(-1, 1, count)  # of one axis, and its inverse of the other: from discs to hairs
    axes = np.stack([radius * stretch, radius / stretch], axis=1)
    centre = generator.uniform(0, side, (count, 2))
    angle = generator.uniform(0, 180, count)
    colour = palette[generator.integers(len(palette), size=count)].tolist()

    canvas = np.empty((side * _OVERSAMPLING, side * _OVERSAMPLING, 3), np.uint8)
    canvas[:] = palette[generator.integers(len(palette))]
    unit = _OVERSAMPLING << _SHIFT
    places, sizes = (centre * unit).round().astype(int).tolist(), (axes * unit).round().astype(int).tolist()
    for place, size, turned, tone in zip(places, sizes, angle.tolist(), colour, strict=True):
        cv2.ellipse(canvas, place, size, turned, 0, 360, tone, cv2.FILLED, cv2.LINE_8, _SHIFT)
    if softness > 0.1:
        canvas = cv2.GaussianBlur(canvas, None, softness * _OVERSAMPLING)
    picture = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    mean = picture.mean(axis=(0, 1))
    return (mean + contrast * (picture - mean)).round().astype(np.uint8)
