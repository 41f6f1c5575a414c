"""Images of a validation: named, batched, and after the network measured, saved and put beside noisy and clean ones."""

import inspect
import math
import os.path as osp
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from basicsr.metrics import calculate_metric
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import as_text, name_some

_WINDOWS = {'calculate_ssim': 11, 'calculate_ssim_uniform': 7}
"""Side of the smallest image, after cropping, that a metric can measure; 1 for others."""
Save = Callable[[np.ndarray, str], None]
"""Saves an image under a name."""


class MeasuredImage(NamedTuple):
    """What is left of an image."""

    number: int
    """Its place in the set."""
    name: str
    figures: Mapping[str, float]
    """By metric; NaN where it is too small for one."""
    input_figures: Mapping[str, float]
    """The same of the noisy input."""
    strip: np.ndarray | None


@dataclass(frozen=True)
class Task:
    """What to do with the denoised images of a set."""

    set_name: str
    metrics: Mapping[str, Mapping[str, Any]]
    """Settings of each metric, as in the options."""
    with_input: bool
    """Whether to measure the noisy input too."""
    save: Save | None
    strips: int
    """Of how many images, from the first, strips noisy | denoised | clean are made."""
    save_strip: Save

    @property
    def looks_at_hidden_pixels(self) -> bool:
        """Whether any metric needs a prediction of hidden pixels."""
        return any('prediction' in _required(settings) for settings in self.metrics.values())

    def finish(self, number: int, name: str, path: str, tensors: Mapping[str, torch.Tensor]) -> MeasuredImage:
        """Measure an image and save it.

        Args:
            number: Its place in the set.
            name: What its results are called.
            path: Its file.
            tensors: `lq`, `result`, if there is ground truth `gt`, and if a metric looks at that `prediction`, every
                pixel predicted from others; (1, C, H, W) on the CPU.

        Raises:
            UserError: If the network's output is not finite, or the clean image is of another size; nothing is saved.
        """
        if not torch.isfinite(tensors['result']).all():
            raise UserError(f'the network returns NaN or infinite values for {name} of {self.set_name!r}: not saved')
        noisy, denoised, clean = (to_image(tensors[key]) if key in tensors else None for key in ('lq', 'result', 'gt'))
        assert denoised is not None
        compared = self.strips or any('img2' in _parameters(settings) for settings in self.metrics.values())
        if clean is not None and clean.shape[:2] != denoised.shape[:2] and compared:
            sizes = [f'{image.shape[1]}×{image.shape[0]}' for image in (denoised, clean)]
            raise UserError(f'{path}: its result has {sizes[0]} pixels, the clean image of the pair {sizes[1]}')
        extra = {'noisy': tensors.get('lq'), 'prediction': tensors.get('prediction')}
        alike = noisy is not None and clean is not None and noisy.shape == clean.shape
        pair = {'img': noisy, 'img2': clean} if self.with_input and alike else None
        figures, input_figures = {}, {}
        for metric, settings in self.metrics.items():
            figure = measure({'img': denoised, 'img2': clean, **extra}, settings)
            if figure is None:
                continue
            figures[metric] = figure
            if pair is not None and 'img2' in _parameters(settings) and not math.isnan(figure):
                input_figures[metric] = calculate_metric(pair, settings)
        if self.save is not None:
            self.save(denoised, name)
        strip = None
        if number < self.strips:
            strip = image_strip([image for image in (noisy, denoised, clean) if image is not None])
            self.save_strip(strip, name)
        return MeasuredImage(number, name, figures, input_figures, strip)

    def report(self, images: Sequence[MeasuredImage]) -> None:
        """Log what is the same at each validation: figures of the noisy images, and what cannot be measured."""
        logger, title = get_root_logger(), f'Validation {self.set_name}'
        if input_figures := means(image.input_figures for image in images):
            values = ', '.join(f'{metric} {value:.4f}' for metric, value in input_figures.items())
            logger.info(f'{title}: the noisy input has {values}')
        for metric in self.metrics:
            if too_small := [image.name for image in images if math.isnan(image.figures.get(metric, 0))]:
                logger.warning(f'{title}: too small for {metric}, left out of it: {name_some(too_small)}')
        without = [metric for metric in self.metrics if not any(metric in image.figures for image in images)]
        if without:
            logger.info(f'{title}: no ground truth, so no {", ".join(without)}')


def measure(available: Mapping[str, Any], settings: Mapping[str, Any]) -> float | None:
    """Compute a metric of what is available of an image; NaN if it is too small, None if something is lacking."""
    if any(available[key] is None for key in available.keys() & _required(settings)):
        return None
    parameters = _parameters(settings)
    # A metric of one's own may take no more than the image, or, wrapped by a decorator, name nothing that it takes.
    takes = set(parameters)
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        takes |= {'img', 'img2'}
    crop = settings.get('crop_border') or 0
    if isinstance(crop, int) and min(available['img'].shape[:2]) - 2 * crop < _WINDOWS.get(settings['type'], 1):
        return math.nan
    data = {key: available[key] for key in available.keys() & takes if available[key] is not None}
    return calculate_metric(data, settings)


def means(figures: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average each metric over the images that have it."""
    values: dict[str, list[float]] = {}
    for image in figures:
        for metric, value in image.items():
            if not math.isnan(value):
                values.setdefault(metric, []).append(value)
    return {metric: float(np.mean(those)) for metric, those in values.items()}


def _parameters(settings: Mapping[str, Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(METRIC_REGISTRY.get(settings['type'])).parameters


def _required(settings: Mapping[str, Any]) -> set[str]:
    return {name for name, parameter in _parameters(settings).items() if parameter.default is inspect.Parameter.empty}


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
