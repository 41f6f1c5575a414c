"""Images of any kind as (N, C, H, W) and back, and their values as float32 in [0, 1] and back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import torch

Rebuild = Callable[[torch.Tensor], Any]

#: Strongest fine noise, in levels of 255, of an image that may use 14 of 16 bits. Of SIDD's 160 pairs, 24 are dark and
#: look like that in 16 bits: scaled up, their noise is 15 to 26 and the result 1 to 4 dB worse; with half the noise it
#: is as good. Noisier images of 14 bits lose at most 2 dB by not being scaled.
MOST_NOISE_OF_14_BITS = 14
_MOST_SAMPLES = 2**20


def to_float(x: torch.Tensor) -> torch.Tensor:
    """Convert uint8, uint16 or floating point to float32, integers by their largest value."""
    if x.is_floating_point():
        return x.float()
    return x.float() / torch.iinfo(x.dtype).max


def from_float(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Convert values in [0, 1] to a type; integers are rounded."""
    if dtype.is_floating_point:
        return x.to(dtype)
    # By way of int32: not every type of integer can be converted to on every device.
    return (x * torch.iinfo(dtype).max).round().to(torch.int32).to(dtype)


def bits_in_use(pixels: np.ndarray) -> int:
    """Judge how many bits of uint16 an image (H, W, C) uses: 14, or 16 of a dark image, by how noisy it would be."""
    from amsnet_basicsr.images import used_bits  # imports OpenCV, which most images need not wait for

    bits = used_bits(pixels)
    height, width = pixels.shape[:2]
    if bits != 14 or min(height, width) < 2:
        return bits
    step = 2 * max(1, round((height * width / 4 / _MOST_SAMPLES) ** 0.5))
    a, b, c, d = (
        pixels[top : height - 1 + top : step, left : width - 1 + left : step].mean(axis=2)
        for top, left in ((0, 0), (0, 1), (1, 0), (1, 1))
    )
    noise = float(np.median(np.abs(a - b - c + d))) / 2 / 0.6745 / (2**14 - 1) * 255
    return 14 if noise < MOST_NOISE_OF_14_BITS else 16


def as_images(image: Any) -> tuple[torch.Tensor, Rebuild]:
    """View an image, of a kind that `Denoiser.__call__` takes, as (N, 1 or 3, H, W) of its own type, without alpha.

    Returns:
        The images, and a function that turns a result of their shape and type into the kind of `image`.
    """
    if isinstance(image, PIL.Image.Image):
        return _from_pil(image)
    if isinstance(image, torch.Tensor):
        return _from_tensor(image)
    if isinstance(image, np.ndarray):
        return _from_array(image)
    raise ValueError(f'the image must be a NumPy array, a tensor or a PIL image, got {type(image).__name__}')


def _from_pil(image: PIL.Image.Image) -> tuple[torch.Tensor, Rebuild]:
    """Palettes and other modes become RGB, RGBA or grey; what else the image carries stays."""
    if image.mode.startswith('I;16'):
        array = np.asarray(image).astype(np.uint16)
    elif image.mode in ('L', 'LA', 'RGB', 'RGBA'):
        array = np.asarray(image)
    elif image.mode in ('I', 'F'):  # Pillow would clip them to 0 to 255
        raise ValueError(f'a PIL image of mode {image.mode} has no known range; give a NumPy array of uint16 or [0, 1]')
    else:
        alpha = 'transparency' in image.info or image.mode in ('PA', 'RGBa', 'La')
        array = np.asarray(image.convert('L' if image.mode == '1' else 'RGBA' if alpha else 'RGB'))
    images, rebuild = _from_array(array)

    def to_pil(result: torch.Tensor) -> PIL.Image.Image:
        made = PIL.Image.fromarray(rebuild(result))
        made.info = dict(image.info)
        return made

    return images, to_pil


def _from_tensor(image: torch.Tensor) -> tuple[torch.Tensor, Rebuild]:
    shape = tuple(image.shape)
    batch = image if image.ndim == 4 else image[None] if image.ndim == 3 else None
    if batch is None or batch.shape[1] not in (1, 3):
        raise ValueError(f'a tensor must be (C, H, W) or (N, C, H, W) with 1 or 3 channels, got {shape}')
    if not image.is_floating_point() and image.dtype != torch.uint8:
        raise ValueError(f'a tensor must be floating point in [0, 1] or uint8, got {image.dtype}')
    return _checked(batch), lambda result: result.reshape(shape)


def _from_array(image: np.ndarray) -> tuple[torch.Tensor, Rebuild]:
    shape, dtype = image.shape, image.dtype
    array = image[..., None] if image.ndim == 2 else image
    array = array[None] if array.ndim == 3 else array
    if array.ndim != 4 or array.shape[3] not in (1, 2, 3, 4):
        raise ValueError(f'an array must be (H, W), (H, W, C) or (N, H, W, C) with 1 to 4 channels, got {shape}')
    if dtype not in (np.uint8, np.uint16) and not np.issubdtype(dtype, np.floating):
        raise ValueError(f'an array must be uint8, uint16 or floating point in [0, 1], got {dtype}')
    alpha = array[..., -1:] if array.shape[3] in (2, 4) else None
    if alpha is not None:
        array = array[..., :-1]
    if dtype in (np.float16, np.longdouble):
        array = array.astype(np.float32)
    array = np.require(array, requirements=['C', 'W'])  # PyTorch warns of arrays that can't be written

    def to_array(result: torch.Tensor) -> np.ndarray:
        made = result.permute(0, 2, 3, 1).contiguous().numpy().astype(dtype, copy=False)
        return (made if alpha is None else np.concatenate([made, alpha], axis=-1)).reshape(shape)

    return _checked(torch.from_numpy(array).permute(0, 3, 1, 2)), to_array


def _checked(images: torch.Tensor) -> torch.Tensor:
    """Refuse images without pixels, and values outside [0, 1]; a little beyond, as filters leave it, is taken."""
    if not images.numel():
        raise ValueError(f'the image has no pixels: {tuple(images.shape)}')
    if images.is_floating_point():
        low, high = (float(value) for value in images.detach().aminmax())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError('the image holds NaN or infinite values')
        if low < -1 or high > 2:
            raise ValueError(f'floating point images must be in [0, 1], got values from {low:g} to {high:g}')
    return images
