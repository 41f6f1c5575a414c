"""Figures of a set: their means, and what the first validation logs of it."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from basicsr.utils import get_root_logger

from amsnet_basicsr.models.validation.finish import FinishedImage, Task
from amsnet_basicsr.utils.text import name_some


def means(figures: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average each metric over the images that have it."""
    values: dict[str, list[float]] = {}
    for image in figures:
        for metric, value in image.items():
            values.setdefault(metric, []).append(value)
    return {metric: float(np.mean(those)) for metric, those in values.items()}


def report_once(task: Task, found: Sequence[FinishedImage]) -> None:
    """Log what is the same at each validation of a set: figures of its noisy images, and what cannot be measured."""
    logger, title = get_root_logger(), f'Validation {task.set_name}'
    if input_figures := means(image.input_figures for image in found):
        values = ', '.join(f'{metric} {value:.4f}' for metric, value in input_figures.items())
        logger.info(f'{title}: the noisy input has {values}')
    without = []
    for metric in task.metrics:
        if too_small := [image.name for image in found if metric in image.too_small]:
            logger.warning(f'{title}: too small for {metric}, left out of it: {name_some(too_small)}')
        elif not any(metric in image.figures for image in found):
            without.append(metric)
    if without:
        logger.info(f'{title}: no ground truth, so no {", ".join(without)}')
