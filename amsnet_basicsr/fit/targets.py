"""Targets for the student: patches denoised by the teacher."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from amsnet_basicsr.denoise.denoiser import Denoiser
from amsnet_basicsr.fit.state import FitError
from amsnet_basicsr.utils.atomic_write import atomic_write


def choose_patches(folder: Path, count: int) -> list[Path]:
    """Choose patches, evenly over the images.

    Args:
        folder: Where they lie.
        count: How many, no more than there are.

    Returns:
        Their files.
    """
    files = sorted(folder.glob('*.png'))
    return [files[(2 * number + 1) * len(files) // (2 * count)] for number in range(count)]


def denoise_patches(
    files: Sequence[Path], target: Path, denoiser: Denoiser, progress: Callable[[int], None]
) -> list[Path]:
    """Denoise patches into PNG files of the same names; those that are there already stay.

    Args:
        files: The patches.
        target: Folder of the results.
        denoiser: The teacher.
        progress: Told how many are done.

    Returns:
        The results' files.

    Raises:
        FitError: If a patch can't be read.
    """
    target.mkdir(parents=True, exist_ok=True)
    results = []
    for number, file in enumerate(files):
        result = target / file.name
        if not result.exists():
            write_png(result, denoiser(read_png(file)))
        results.append(result)
        progress(number + 1)
    return results


def write_list(path: Path, files: Sequence[Path]) -> None:
    """Write BasicSR's list of images.

    Args:
        path: The list.
        files: The images.
    """
    with atomic_write(path) as file:
        file.write(''.join(f'{item.name}\n' for item in files).encode())


def read_png(path: Path) -> np.ndarray:
    """Read a patch.

    Args:
        path: The file.

    Returns:
        RGB, (H, W, 3), uint8.

    Raises:
        FitError: If it is missing or damaged.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FitError(f'{path} is missing or damaged; --restart begins anew')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image whole or not at all.

    Args:
        path: The file.
        image: RGB, (H, W, 3), uint8.
    """
    with atomic_write(path) as file:
        file.write(cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())
