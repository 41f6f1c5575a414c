"""Averaging over the symmetries of the square: the same image turned and mirrored, denoised, and turned back."""

from collections.abc import Callable, Iterator

import numpy as np

Transform = Callable[[np.ndarray], np.ndarray]


def symmetries(count: int = 8) -> Iterator[tuple[Transform, Transform]]:
    """Yield the symmetries of the square and their inverses.

    Args:
        count: How many of the eight, 1 to 8; the first is the identity, the last four swap rows and columns.

    Yields:
        Pairs of functions on images (H, W, C): there and back.

    Raises:
        ValueError: If `count` is not in 1…8.
    """
    if not 1 <= count <= 8:
        raise ValueError(f'there are 8 symmetries of the square, asked for {count}')

    def flips(image: np.ndarray, number: int) -> np.ndarray:
        image = image[::-1] if number & 1 else image
        return image[:, ::-1] if number & 2 else image

    for number in range(count):
        swap = bool(number & 4)

        def there(image: np.ndarray, number: int = number, swap: bool = swap) -> np.ndarray:
            image = flips(image, number)
            return np.ascontiguousarray(image.swapaxes(0, 1) if swap else image)

        def back(image: np.ndarray, number: int = number, swap: bool = swap) -> np.ndarray:
            return np.ascontiguousarray(flips(image.swapaxes(0, 1) if swap else image, number))

        yield there, back


def self_ensemble(denoisers: list[Callable[[np.ndarray], np.ndarray]], image: np.ndarray) -> np.ndarray:
    """Average over symmetries, each with a denoiser of its own.

    Masks drawn anew for each symmetry make their errors differ more, so that the mean loses more of them: give
    denoisers with different seeds.

    Args:
        denoisers: Up to eight functions from (H, W, C) to the same shape; the first sees the image as it is.
        image: Image, (H, W, C), floating point.

    Returns:
        The mean of the results, (H, W, C), float32.
    """
    total = np.zeros(image.shape, np.float32)
    for denoise, (there, back) in zip(denoisers, symmetries(len(denoisers)), strict=True):
        total += back(denoise(there(image)))
    return total / len(denoisers)
