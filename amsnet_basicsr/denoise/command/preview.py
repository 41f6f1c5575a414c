"""One crop of an image at several strengths, side by side: `--preview`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from amsnet_basicsr.denoise.command.arguments import blend_in_words
from amsnet_basicsr.images import ImageData, ImageError, stretch, to_8_bit

if TYPE_CHECKING:
    from amsnet_basicsr.denoise.denoiser import Denoiser

Crop = tuple[int, int, int, int]
"""Left, top, width and height."""
STRENGTHS: tuple[float | str, ...] = ('auto', 1.0, 0.75, 0.5, 0.25)
_CONTEXT = 128
"""Pixels around the crop that are denoised too: the network sees them, and 'auto' judges the noise by them."""
_CAPTION, _GAP = 22, 6
_BACKGROUND = 40


def preview(
    image: ImageData,
    crop: Crop,
    denoiser: 'Denoiser',
    given: dict[str, Any],
    name: str,
    progress: Callable[[int, int], None] = lambda done, every: None,
) -> ImageData:
    """Denoise a crop, cut off at the image's border, at several strengths; an ImageError if it lies outside.

    The sheet of 8 bit shows it noisy, then with `given`, the user's `strength`, `luma`, `chroma` and `grain`, then at
    each of `STRENGTHS`. Only the crop and its surroundings are denoised. `progress` is called with the pixels done and
    all pixels, and may raise.
    """
    from amsnet_basicsr.denoise.blend import Blend  # imports PyTorch, which is loaded by now
    from amsnet_basicsr.denoise.pixels import as_images, bits_in_use, from_float, to_float

    x, y, w, h = crop
    height, width = image.pixels.shape[:2]
    if x >= width or y >= height:
        raise ImageError(f'{name}: --preview {x},{y},{w},{h} lies outside of this image of {width}×{height} pixels')
    left, top = max(0, x - _CONTEXT), max(0, y - _CONTEXT)
    part = slice(y - top, y - top + h), slice(x - left, x - left + w)
    around = stretch(image.pixels, bits_in_use(image.pixels))[top : y + h + _CONTEXT, left : x + w + _CONTEXT]
    denoised = (
        denoiser(around, progress=lambda done, every: progress(done, 2 * every), bits=16),
        denoiser(around, 'auto', lambda done, every: progress(every + done, 2 * every), bits=16),
    )
    (noisy, rebuild), (full, _), (auto, _) = (as_images(pixels[part]) for pixels in (around, *denoised))
    panels = {'noisy': around[part]}
    for settings in (given, *({'strength': strength} for strength in STRENGTHS)):
        blend = Blend.of(**settings)
        result = blend(to_float(noisy), to_float(auto if blend.auto else full)).clamp(0, 1)
        panels[blend_in_words(settings)] = rebuild(from_float(result, noisy.dtype))
    return ImageData(_sheet(panels), None, image.metadata.colour())


def _sheet(panels: dict[str, np.ndarray]) -> np.ndarray:
    """Arrange panels (h, w, C) of one size under their captions, about as wide as a screen."""
    h, w, channels = next(iter(panels.values())).shape
    across = 1 if w > 4 * h else 2 if w > 2 * h else 3
    width, height = max(w, 9 * max(map(len, panels))) + _GAP, h + _CAPTION + _GAP
    sheet = np.full((-(-len(panels) // across) * height, across * width, channels), _BACKGROUND, np.uint8)
    for number, (name, pixels) in enumerate(panels.items()):
        top, left = number // across * height, number % across * width
        panel = to_8_bit(ImageData(pixels)).pixels
        sheet[top + _CAPTION : top + _CAPTION + h, left : left + w] = panel
        caption = np.ascontiguousarray(sheet[top : top + _CAPTION, left : left + width])
        cv2.putText(caption, name, (2, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255,) * channels, 1, cv2.LINE_AA)
        sheet[top : top + _CAPTION, left : left + width] = caption
    return sheet
