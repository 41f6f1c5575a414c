"""What validation does with one image before and after the network: plain functions, free of the model."""

import inspect
import os.path as osp
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from basicsr.metrics import calculate_metric
from basicsr.utils.registry import METRIC_REGISTRY

from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import as_text, one_line

Data = dict[str, Any]

_WINDOWS = {'calculate_ssim': 11, 'calculate_ssim_uniform': 7}
"""Side of the smallest image, after cropping, that a metric can measure; 1 for others."""


@dataclass(frozen=True)
class Finishing:
    """What to do with the denoised images of a set.

    Attributes:
        set_name: Name of the set.
        metrics: Settings of each metric, as in the options.
        with_input: Whether to measure the noisy input too.
        image_path: Where the denoised image of a name goes; None saves none.
        strips: Number of images, from the first, of which strips are made.
        write: Writes an image to a path.
    """

    set_name: str
    metrics: Mapping[str, Mapping[str, Any]]
    with_input: bool
    image_path: Callable[[str], str] | None
    strips: int
    write: Callable[[np.ndarray, str], None]

    @cached_property
    def needs(self) -> dict[str, frozenset[str]]:
        """What each metric cannot do without, of what not every set has."""
        return {metric: _required(opt) for metric, opt in self.metrics.items()}

    @property
    def looks_at_hidden_pixels(self) -> bool:
        """Whether any metric needs a prediction of hidden pixels."""
        return any({'noisy', 'prediction'} & needs for needs in self.needs.values())


@dataclass(frozen=True)
class DenoisedImage:
    """An image as it comes from the network.

    Attributes:
        number: Its place in the set, from 0.
        name: What its results are called.
        path: Its file.
        lq: Noisy, (1, C, H, W), on the CPU.
        result: Denoised, the same.
        gt: Clean, the same, if there is ground truth.
        prediction: Every pixel predicted from others, the same, if a metric looks at that.
    """

    number: int
    name: str
    path: str
    lq: torch.Tensor
    result: torch.Tensor
    gt: torch.Tensor | None
    prediction: torch.Tensor | None


@dataclass(frozen=True)
class FinishedImage:
    """What is left of an image.

    Attributes:
        number: Its place in the set, from 0.
        name: What its results are called.
        figures: Value by metric.
        input_figures: The same of the noisy input.
        too_small: Metrics that leave it out.
        strip: Noisy | denoised | clean, (H, W', 3) BGR, uint8, if asked for.
    """

    number: int
    name: str
    figures: Mapping[str, float]
    input_figures: Mapping[str, float]
    too_small: Sequence[str] = ()
    strip: np.ndarray | None = None


def finish(image: DenoisedImage, task: Finishing) -> FinishedImage:
    """Measure an image and save it.

    Raises:
        UserError: If the network's output is not finite, or the clean image is of another size; nothing is saved.
    """
    if not torch.isfinite(image.result).all():
        raise UserError(f'the network returns NaN or infinite values for {image.name} of {task.set_name!r}: not saved')
    if image.gt is not None and image.gt.shape[-2:] != image.result.shape[-2:]:
        sizes = [f'{tensor.shape[-1]}×{tensor.shape[-2]}' for tensor in (image.result, image.gt)]
        raise UserError(f'{image.path}: its result has {sizes[0]} pixels, the clean image of the pair {sizes[1]}')
    noisy, denoised = to_image(image.lq), to_image(image.result)
    clean = None if image.gt is None else to_image(image.gt)
    available: Data = {'img': denoised}
    if clean is not None:
        available['img2'] = clean
    if image.prediction is not None:
        available.update(noisy=image.lq, prediction=image.prediction)
    figures, input_figures, too_small = {}, {}, []
    for metric, opt in task.metrics.items():
        if task.needs[metric] - available.keys():
            continue
        value = measure(available, opt)
        if np.isnan(value):
            too_small.append(metric)
            continue
        figures[metric] = value
        if task.with_input and clean is not None and 'img2' in task.needs[metric]:
            input_figures[metric] = calculate_metric({'img': noisy, 'img2': clean}, opt)
    if task.image_path is not None:
        task.write(denoised, task.image_path(image.name))
    shown = [part for part in (noisy, denoised, clean) if part is not None]
    strip = image_strip(shown) if image.number < task.strips else None
    return FinishedImage(image.number, image.name, figures, input_figures, too_small, strip)


def measure(available: Data, opt: Mapping[str, Any]) -> float:
    """Compute a metric; NaN if nothing is left of the image to measure."""
    crop = opt.get('crop_border') or 0
    if isinstance(crop, int) and min(available['img'].shape[:2]) - 2 * crop < _WINDOWS.get(opt['type'], 1):
        return np.nan
    return calculate_metric(available, opt)


def write_image(image: np.ndarray, path: str) -> None:
    """Write an image of `to_image`, and make its folder.

    Raises:
        UserError: If it cannot be written.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(Path(path)) as file:
            file.write(cv2.imencode(Path(path).suffix, image)[1].tobytes())
    except (OSError, cv2.error) as error:
        raise UserError(f'{path} cannot be written: {one_line(error)}') from error


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
    """Put images of one size side by side with a thin white line between them.

    Args:
        images: From `to_image`.

    Returns:
        The strip, (H, n·W + 4·(n − 1), 3), uint8.
    """
    images = [image[..., :3] if image.ndim == 3 else image[..., None].repeat(3, axis=2) for image in images]
    line = np.full((images[0].shape[0], 4, 3), 255, np.uint8)
    parts = [part for image in images for part in (line, image)][1:]
    return np.concatenate(parts, axis=1)


def batches_of_one_size(items: Sequence[Data]) -> Iterator[tuple[range, Data]]:
    """Join batches of one that follow each other and are of one size; yield their places and the batch."""
    for _, group in groupby(range(len(items)), key=lambda place: _sizes(items[place])):
        places = list(group)
        yield range(places[0], places[-1] + 1), _joined([items[place] for place in places])


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
    """Name images, given and returned by their places in the set; `taken` is as of `distinct_name`."""
    return {number: distinct_name(paths[number], taken, owner=number) for number in sorted(paths)}


def distinct_name(path: str, taken: dict[str, Hashable], owner: Hashable | None = None) -> str:
    """Name an image by its file, without folder and extension; numbered if another image has that name.

    Args:
        path: The image.
        taken: Owner by name, of the names given before; added to.
        owner: Gets the same name when asked again; default: the path.

    Returns:
        The name.
    """
    owner = path if owner is None else owner
    stem = as_text(osp.splitext(osp.basename(path))[0])
    name, number = stem, 1
    while taken.setdefault(name, owner) != owner:
        number += 1
        name = f'{stem}_{number}'
    return name


def in_order(finished: Iterable[FinishedImage]) -> list[FinishedImage]:
    """Sort images by their places in the set."""
    return sorted(finished, key=lambda image: image.number)


def means(figures: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average each metric over the images that have it."""
    values: dict[str, list[float]] = {}
    for image in figures:
        for metric, value in image.items():
            values.setdefault(metric, []).append(value)
    return {metric: float(np.mean(those)) for metric, those in values.items()}


def _required(metric_opt: Mapping[str, Any]) -> frozenset[str]:
    """Names of the data, of those that not every set has, that a metric cannot do without."""
    parameters = inspect.signature(METRIC_REGISTRY.get(metric_opt['type'])).parameters
    return frozenset(
        name
        for name in ('img2', 'noisy', 'prediction')
        if name in parameters and parameters[name].default is inspect.Parameter.empty
    )
