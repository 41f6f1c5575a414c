"""Averaging over the symmetries of the square: an image is turned and mirrored, denoised, and turned back."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

Transform = Callable[[np.ndarray], np.ndarray]
#: Each undoes itself; applied or not, they make the eight symmetries.
_STEPS: tuple[Transform, ...] = (np.flipud, np.fliplr, partial(np.swapaxes, axis1=0, axis2=1))


def self_ensemble(denoisers: Sequence[Transform], image: np.ndarray) -> np.ndarray:
    """Average over symmetries, each with a denoiser of its own.

    Denoisers with different seeds draw different masks, so their errors differ more and the mean loses more of them.

    Args:
        denoisers: Up to eight functions from (H, W, C) to the same shape; the first sees the image as it is.
        image: Image, (H, W, C), floating point.

    Returns:
        The mean of the results, (H, W, C), float32.
    """
    total = np.zeros(image.shape, np.float32)
    for number, denoise in enumerate(denoisers):
        steps = [step for bit, step in enumerate(_STEPS) if number >> bit & 1]
        turned = image
        for step in steps:
            turned = step(turned)
        result = denoise(np.ascontiguousarray(turned))
        for step in reversed(steps):
            result = step(result)
        total += result
    return total / len(denoisers)
