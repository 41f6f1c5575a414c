"""Images of a validation: from tensors to files, which of them make a batch, names."""

import os.path as osp
from collections.abc import Hashable, Iterator, Mapping
from itertools import chain, count, groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import as_text, one_line


def to_image(tensor: torch.Tensor) -> np.ndarray:
    """Turn a tensor into the image that BasicSR's metrics and OpenCV take, of 8 bit.

    Args:
        tensor: (1, C, H, W) in [0, 1], C 1, 3 or 4; values beyond are clipped.

    Returns:
        Grey (H, W), BGR (H, W, 3) or BGRA (H, W, 4), uint8.
    """
    image = (tensor[0].detach().float().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return image[..., 0] if image.shape[2] == 1 else np.ascontiguousarray(image[..., [2, 1, 0, 3][: image.shape[2]]])


def image_strip(images: list[np.ndarray]) -> np.ndarray:
    """Put n images of `to_image` side by side, a thin white line between them: (H, n·W + 4·(n − 1), 3), uint8."""
    images = [image[..., :3] if image.ndim == 3 else image[..., None].repeat(3, axis=2) for image in images]
    line = np.full((images[0].shape[0], 4, 3), 255, np.uint8)
    parts = [part for image in images for part in (line, image)][1:]
    return np.concatenate(parts, axis=1)


def write_image(image: np.ndarray, path: str) -> None:
    """Write an image of `to_image`, and make its folder; a `UserError` if that fails."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(Path(path)) as file:
            file.write(cv2.imencode(Path(path).suffix, image)[1].tobytes())
    except (OSError, cv2.error) as error:
        raise UserError(f'{path} cannot be written: {one_line(error)}') from error


def groups_of_one_size(items: Mapping[int, Mapping[str, Any]]) -> Iterator[list[int]]:
    """Yield the numbers of items that follow each other and fit into one batch."""

    def sizes(number: int) -> list[tuple[str, Any]]:
        return sorted((key, value.shape) for key, value in items[number].items() if hasattr(value, 'shape'))

    return (list(group) for _, group in groupby(items, sizes))


def name_images(paths: Mapping[int, str], taken: dict[str, Hashable], set_name: str = '') -> dict[int, str]:
    """Name images of a set by their files, without folder and extension; numbered where another has that name.

    Args:
        paths: The images by their numbers in the set, which have the same names when asked for again.
        taken: Set and number of the image that each name was given to; added to.
        set_name: The set.

    Returns:
        Names by number.
    """
    names = {}
    for number in sorted(paths):
        owner, stem = (set_name, number), as_text(osp.splitext(osp.basename(paths[number]))[0])
        possible = chain([stem], (f'{stem}_{further}' for further in count(2)))
        names[number] = next(name for name in possible if taken.setdefault(name, owner) == owner)
    return names
