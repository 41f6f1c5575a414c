"""Drawn images with the statistics of natural ones: ellipses of all sizes that hide each other ("dead leaves").

Sizes that follow a power law give edges and detail at every scale, as natural images have (Lee, Mumford and Huang,
"Occlusion models for natural images", 2001); denoisers learn from such images nearly as well as from photographs
(Achddou, Gousseau and Ladjal, "Synthetic images as a regularity prior for image restoration neural networks", 2021).
Half of the leaves carry a texture: weaves and gratings as of fabric, streaks as of hair and wood, grain as of grass.
"""

import math

import cv2
import numpy as np

_OVERSAMPLING = 2
_SHIFT = 4  # binary digits of a coordinate below the pixel
_LAYERS = 5  # how often a place is painted over, in the mean
_TEXTURES = 8
_STRONGEST = 0.25  # standard deviation of a texture, of the colour that it is on


def dead_leaves(side: int, palette: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw an image, (side, side, 3), uint8.

    How small the smallest leaves are (1 to 8 pixels), how soft the image is (0 to 1 pixel) and its contrast (a
    quarter to all of the palette's) are drawn too: close-ups and crowds, sharp lenses and soft ones, sun and fog.

    Args:
        side: Height and width, at least 32.
        palette: Colours to take, (P, 3), uint8; usually the pixels of denoised images.
        generator: Source of randomness.
    """
    smallest, softness, contrast = 8 ** generator.random(), generator.random(), generator.uniform(0.25, 1)
    painted = _paint(side, smallest, palette, generator)
    labels = painted[::_OVERSAMPLING, ::_OVERSAMPLING, 3]
    image = cv2.resize(painted[..., :3], (side, side), interpolation=cv2.INTER_AREA).astype(np.float64)
    strengths = generator.uniform(0, _STRONGEST, _TEXTURES)
    for number, strength in enumerate(strengths, 1):
        image += image * ((labels == number) * strength * texture(side, generator))[..., None]
    if softness > 0.1:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), softness))
    mean = image.mean(axis=(0, 1))
    return (mean + contrast * (image - mean)).round().clip(0, 255).astype(np.uint8)


def texture(side: int, generator: np.random.Generator) -> np.ndarray:
    """Draw a texture, (side, side), of mean 0 and standard deviation 1.

    It is noise from a band of frequencies, of a random period, width and sharpness of direction: narrow in both it is a
    grating, narrow in direction alone streaks, in neither grain; half of them are two that cross.
    """
    y, x = frequencies(side)
    radius, direction = np.hypot(x, y), np.arctan2(y, x)
    frequency = 0.5 * 8.0 ** -generator.random()  # periods of 2 to 16 pixels
    width, spread = generator.uniform(0.03, 0.5), generator.uniform(0.03, 1.5)
    angle = generator.uniform(0, math.pi)
    angles = [angle, angle + math.pi / 2][: 1 + int(generator.integers(2))]
    # A direction and its opposite are the same, hence twice the angle.
    turned = sum(np.exp((np.cos(2 * (direction - angle)) - 1) / (2 * spread) ** 2) for angle in angles)
    band = turned * np.exp(-((np.log(np.maximum(radius, 1e-9) / frequency) / width) ** 2) / 2)
    return filtered_noise(band, generator)


def frequencies(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the frequencies down and across of a square's real Fourier transform, both (side, side // 2 + 1)."""
    y, x = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing='ij')
    return y, x


def filtered_noise(amplitude: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw noise of a spectrum on `frequencies`: (side, side), of mean 0 and standard deviation 1."""
    side = len(amplitude)
    drawn = np.fft.irfft2(np.fft.rfft2(generator.standard_normal((side, side))) * amplitude, (side, side))
    drawn -= drawn.mean()
    return drawn / max(drawn.std(), 1e-9)


def _paint(side: int, smallest: float, palette: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Paint leaf over leaf: colours and the number of the texture, 0 for none, (2·side, 2·side, 4), uint8."""
    largest = side / 2
    mean_area = 2 * math.pi * math.log(largest / smallest) / (smallest**-2 - largest**-2)
    count = math.ceil(_LAYERS * side**2 / mean_area)
    # Density of the radius ~ r^-3: the inverse of its distribution function at uniform numbers.
    radius = (smallest**-2 - generator.random(count) * (smallest**-2 - largest**-2)) ** -0.5
    stretch = 3 ** generator.uniform(-1, 1, count)  # of one axis, and its inverse of the other: from discs to blades
    axes = np.stack([radius * stretch, radius / stretch], axis=1)
    centre, angle = generator.uniform(0, side, (count, 2)), generator.uniform(0, 180, count)
    colours = palette[generator.integers(len(palette), size=count)]
    textures = generator.integers(1, _TEXTURES + 1, count) * generator.integers(2, size=count)
    tones = np.concatenate([colours, textures[:, None]], axis=1).tolist()

    canvas = np.zeros((side * _OVERSAMPLING, side * _OVERSAMPLING, 4), np.uint8)
    canvas[..., :3] = palette[generator.integers(len(palette))]
    unit = _OVERSAMPLING << _SHIFT
    places, sizes = ((values * unit).round().astype(int).tolist() for values in (centre, axes))
    for place, size, turned, tone in zip(places, sizes, angle.tolist(), tones, strict=True):
        cv2.ellipse(canvas, place, size, turned, 0, 360, tone, cv2.FILLED, cv2.LINE_8, _SHIFT)
    return canvas
