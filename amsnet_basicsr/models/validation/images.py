"""Images of a validation: from tensors to files, batches of one size, names."""

import os.path as osp
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import as_text, one_line

Data = dict[str, Any]


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


def batches_of_one_size(items: Mapping[int, Data]) -> Iterator[tuple[list[int], Data]]:
    """Join batches of one that follow each other and are of one size; yield their numbers and the batch."""
    for _, group in groupby(items, key=lambda number: _sizes(items[number])):
        numbers = list(group)
        yield numbers, _joined([items[number] for number in numbers])


def _sizes(item: Data) -> list[tuple[str, torch.Size]]:
    return sorted((key, value.shape) for key, value in item.items() if isinstance(value, torch.Tensor))


def _joined(items: Sequence[Data]) -> Data:
    joined: Data = {}
    for key, first in items[0].items():
        values = [item[key] for item in items]
        joined[key] = (
            torch.cat(values) if isinstance(first, torch.Tensor) else [one for value in values for one in value]
        )
    return joined


def name_images(paths: Mapping[int, str], taken: dict[str, Hashable]) -> dict[int, str]:
    """Name images, given and returned by their numbers in the set; `taken` is as of `distinct_name`."""
    return {number: distinct_name(paths[number], taken, owner=number) for number in sorted(paths)}


def distinct_name(path: str, taken: dict[str, Hashable], owner: Hashable | None = None) -> str:
    """Name an image by its file, without folder and extension; numbered if another image has that name.

    Args:
        path: The image.
        taken: Owner by name, of the names given before; added to.
        owner: Gets the same name when asked again; default: the path.
    """
    owner = path if owner is None else owner
    stem = as_text(osp.splitext(osp.basename(path))[0])
    name, number = stem, 1
    while taken.setdefault(name, owner) != owner:
        number += 1
        name = f'{stem}_{number}'
    return name
