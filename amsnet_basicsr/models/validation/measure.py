"""What happens to an image after the network: it is measured, saved, and put beside the noisy and the clean one."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from basicsr.metrics import calculate_metric
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from amsnet_basicsr.models.validation.images import image_strip, to_image
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import name_some

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
        return any('prediction' in _parameters(settings) for settings in self.metrics.values())

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
        if clean is not None and clean.shape[:2] != denoised.shape[:2] and (self.metrics or self.strips):
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
    takes = _parameters(settings)
    # A metric of one's own may take no more than the image.
    data = {key: available[key] for key in available.keys() & takes.keys()}
    if any(value is None and takes[key].default is inspect.Parameter.empty for key, value in data.items()):
        return None
    crop = settings.get('crop_border') or 0
    if isinstance(crop, int) and min(available['img'].shape[:2]) - 2 * crop < _WINDOWS.get(settings['type'], 1):
        return math.nan
    return calculate_metric({key: value for key, value in data.items() if value is not None}, settings)


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
