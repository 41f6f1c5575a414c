"""What is done with one image of a validation before and after the network: plain functions, free of the model."""

import inspect
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, zip_longest
from typing import Any

import cv2
import numpy as np
import torch
from basicsr.metrics import calculate_metric
from basicsr.utils import imwrite, tensor2img
from basicsr.utils.registry import METRIC_REGISTRY

from amsnet_basicsr.models.validation.image_names import distinct_name
from amsnet_basicsr.utils.errors import UserError

Data = dict[str, Any]


@dataclass(frozen=True)
class Finishing:
    """What is to be done with the denoised images of a set.

    Attributes:
        set_name: Name of the set.
        metrics: Settings of each metric, as in the options.
        with_input: Whether the noisy input is measured too.
        image_path: Where the denoised image of an image of a name goes; None saves none.
        strips: Number of images, from the first, of which strips are made.
    """

    set_name: str
    metrics: Mapping[str, Mapping[str, Any]]
    with_input: bool = False
    image_path: Callable[[str], str] | None = None
    strips: int = 0

    @cached_property
    def needs(self) -> dict[str, frozenset[str]]:
        """What each metric cannot do without, of what not every set has; looked up once, not for each image."""
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
        name: What its images are called.
        lq: Noisy, (1, C, H, W), on the CPU.
        result: Denoised, the same.
        gt: Clean, the same, if there is ground truth.
        prediction: Every pixel predicted from others, the same, if a metric looks at that.
    """

    number: int
    name: str
    lq: torch.Tensor
    result: torch.Tensor
    gt: torch.Tensor | None = None
    prediction: torch.Tensor | None = None


@dataclass(frozen=True)
class FinishedImage:
    """What is left of an image.

    Attributes:
        number: Its place in the set, from 0.
        name: What its images are called.
        figures: Value by metric.
        input_figures: The same of the noisy input.
        strip: Noisy | denoised | clean, (H, W', 3) BGR, uint8, if asked for.
    """

    number: int
    name: str
    figures: Mapping[str, float]
    input_figures: Mapping[str, float]
    strip: np.ndarray | None = None


def read_by_name(items: Iterator[Data], dataset: Any, numbers: Iterable[int]) -> Iterator[Data]:
    """Read images; one that cannot be read ends in a line, and is named where BasicSR's own data sets don't.

    (OpenCV returns None for a damaged file, and they go on with it.)

    Args:
        items: Images as a loader yields them.
        dataset: The set that they are from.
        numbers: Their places in the set.

    Yields:
        The images.

    Raises:
        UserError: For an image that is none.
    """
    for number in numbers:
        try:
            yield next(items)
        except (ValueError, KeyError, OSError) as error:  # these name it
            raise UserError(error.args[0] if isinstance(error, KeyError) else str(error)) from error
        except (AttributeError, TypeError, cv2.error) as error:
            paths = getattr(dataset, 'paths', {})
            where = f' ({paths[number]})' if isinstance(paths, list) and number < len(paths) else ''
            raise UserError(
                f'image {number} of set {dataset.opt["name"]!r}{where} cannot be read, is it damaged? ({error})'
            ) from error


def finish(image: DenoisedImage, task: Finishing) -> FinishedImage:
    """Measure an image, and save its image.

    Args:
        image: The image.
        task: What is to be done.

    Returns:
        What is left of it.

    Raises:
        UserError: If the network's output isn't finite; nothing is saved.
    """
    if not torch.isfinite(image.result).all():
        raise UserError(f'the network returns NaN or infinite values for {image.name} of {task.set_name!r}: not saved')
    noisy, denoised, clean = (
        None if tensor is None else tensor2img(tensor.clone())  # which clamps in place
        for tensor in (image.lq, image.result, image.gt)
    )
    available: Data = {'img': denoised}
    if clean is not None:
        available['img2'] = clean
    if image.prediction is not None:
        available.update(noisy=image.lq, prediction=image.prediction)
    figures, input_figures = {}, {}
    for metric, opt in task.metrics.items():
        if task.needs[metric] - available.keys():
            continue
        figures[metric] = calculate_metric(available, opt)
        if task.with_input and clean is not None and 'img2' in task.needs[metric]:
            input_figures[metric] = calculate_metric({'img': noisy, 'img2': clean}, opt)
    if task.image_path is not None:
        write_image(denoised, task.image_path(image.name))
    shown_images = [shown for shown in (noisy, denoised, clean) if shown is not None]
    strip = image_strip(shown_images) if image.number < task.strips else None
    return FinishedImage(image.number, image.name, figures, input_figures, strip)


def write_image(image: np.ndarray, path: str) -> None:
    """Write an image, and make its folder.

    Args:
        image: (H, W, 3) BGR or (H, W), uint8.
        path: Where.

    Raises:
        UserError: If it cannot be written.
    """
    try:
        imwrite(image, path)
    except (OSError, cv2.error) as error:
        raise UserError(f'{path} cannot be written: {error}') from error


def image_strip(images: list[np.ndarray]) -> np.ndarray:
    """Put images side by side with a thin white line between them.

    Args:
        images: Images of one size, (H, W, 3) or (H, W), uint8.

    Returns:
        The strip, (H, n·W + 4·(n − 1), 3), uint8.
    """
    images = [np.atleast_3d(image).repeat(3 // np.atleast_3d(image).shape[2], axis=2) for image in images]
    line = np.full((images[0].shape[0], 4, 3), 255, np.uint8)
    parts = [part for image in images for part in (line, image)][1:]
    return np.concatenate(parts, axis=1)


def batches_of_one_size(items: Sequence[Data]) -> Iterator[tuple[range, Data]]:
    """Join images that follow each other and are of one size.

    Args:
        items: Images as a loader yields them one by one: tensors (1, C, H, W), and lists of one.

    Yields:
        The places of a batch's images in `items`, and the batch: tensors (N, C, H, W), and lists of N.
    """
    for _, group in groupby(range(len(items)), key=lambda place: _sizes(items[place])):
        places = list(group)
        yield range(places[0], places[-1] + 1), _joined([items[place] for place in places])


def _sizes(item: Data) -> list[tuple[str, torch.Size]]:
    return sorted((key, value.shape) for key, value in item.items() if isinstance(value, torch.Tensor))


def _joined(items: Sequence[Data]) -> Data:
    if len(items) == 1:
        return items[0]
    joined: Data = {}
    for key, first in items[0].items():
        values = [item[key] for item in items]
        joined[key] = (
            torch.cat(values) if isinstance(first, torch.Tensor) else [one for value in values for one in value]
        )
    return joined


def names_of_block(paths: Sequence[Sequence[str]], first: int, names: dict[str, Hashable]) -> list[dict[int, str]]:
    """Name the images that several processes have read, all in the same way.

    Args:
        paths: Of each process the paths of its images. They lie in the set by turns: one of each process, then the next
            of each.
        first: Place of the first image in the set.
        names: Place by name, of the images before; added to.

    Returns:
        For each process the names of its images by their places in the set, in order.
    """
    named: list[dict[int, str]] = [{} for _ in paths]
    for turn, those in enumerate(zip_longest(*paths)):
        for process, path in enumerate(those):
            if path is not None:
                number = first + turn * len(paths) + process
                named[process][number] = distinct_name(path, names, owner=number)
    return named


def in_order(finished: Iterable[FinishedImage]) -> list[FinishedImage]:
    """Sort images by their places in the set."""
    return sorted(finished, key=lambda image: image.number)


def _required(metric_opt: Mapping[str, Any]) -> frozenset[str]:
    """Names of the data, of those that not every set has, that a metric cannot do without."""
    parameters = inspect.signature(METRIC_REGISTRY.get(metric_opt['type'])).parameters
    return frozenset(
        name
        for name in ('img2', 'noisy', 'prediction')
        if name in parameters and parameters[name].default is inspect.Parameter.empty
    )
