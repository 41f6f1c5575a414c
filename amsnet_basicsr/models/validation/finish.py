"""What happens to an image after the network: it is measured and saved, and put beside the noisy and the clean one."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from basicsr.metrics import calculate_metric
from basicsr.utils.registry import METRIC_REGISTRY

from amsnet_basicsr.models.validation.images import image_strip, to_image
from amsnet_basicsr.utils.errors import UserError

_WINDOWS = {'calculate_ssim': 11, 'calculate_ssim_uniform': 7}
"""Side of the smallest image, after cropping, that a metric can measure; 1 for others."""
_NOT_IN_EVERY_SET = ('img2', 'noisy', 'prediction')
Save = Callable[[np.ndarray, str], None]
"""Saves an image under a name."""


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

    @cached_property
    def needs(self) -> dict[str, frozenset[str]]:
        """What each metric cannot do without, of what not every set has."""
        return {metric: _required(settings) for metric, settings in self.metrics.items()}

    @property
    def looks_at_hidden_pixels(self) -> bool:
        """Whether any metric needs a prediction of hidden pixels."""
        return any({'noisy', 'prediction'} & needs for needs in self.needs.values())


@dataclass(frozen=True)
class DenoisedImage:
    """An image as it comes from the network; tensors are (1, C, H, W) on the CPU."""

    number: int
    """Its place in the set."""
    name: str
    """What its results are called."""
    path: str
    lq: torch.Tensor
    result: torch.Tensor
    gt: torch.Tensor | None
    prediction: torch.Tensor | None
    """Every pixel predicted from others, if a metric looks at that."""


@dataclass(frozen=True)
class FinishedImage:
    """What is left of an image: its figures by metric."""

    number: int
    name: str
    figures: Mapping[str, float]
    input_figures: Mapping[str, float]
    """The same of the noisy input."""
    too_small: Sequence[str]
    """Metrics that leave it out."""
    strip: np.ndarray | None


def finish(image: DenoisedImage, task: Task) -> FinishedImage:
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
    available: dict[str, Any] = {'img': denoised}
    if clean is not None:
        available['img2'] = clean
    if image.prediction is not None:  # a metric of one's own may take img and img2 alone
        available |= {'noisy': image.lq, 'prediction': image.prediction}
    figures, input_figures, too_small = {}, {}, []
    for metric, settings in task.metrics.items():
        if task.needs[metric] - available.keys():
            continue
        value = measure(available, settings)
        if np.isnan(value):
            too_small.append(metric)
            continue
        figures[metric] = value
        if task.with_input and clean is not None and 'img2' in task.needs[metric]:
            input_figures[metric] = calculate_metric({'img': noisy, 'img2': clean}, settings)
    if task.save is not None:
        task.save(denoised, image.name)
    strip = None
    if image.number < task.strips:
        strip = image_strip([part for part in (noisy, denoised, clean) if part is not None])
        task.save_strip(strip, image.name)
    return FinishedImage(image.number, image.name, figures, input_figures, too_small, strip)


def measure(available: dict[str, Any], settings: Mapping[str, Any]) -> float:
    """Compute a metric; NaN if nothing is left of the image to measure."""
    crop = settings.get('crop_border') or 0
    if isinstance(crop, int) and min(available['img'].shape[:2]) - 2 * crop < _WINDOWS.get(settings['type'], 1):
        return np.nan
    return calculate_metric(available, settings)


def _required(settings: Mapping[str, Any]) -> frozenset[str]:
    parameters = inspect.signature(METRIC_REGISTRY.get(settings['type'])).parameters
    return frozenset(
        name for name in _NOT_IN_EVERY_SET if name in parameters and parameters[name].default is inspect.Parameter.empty
    )
