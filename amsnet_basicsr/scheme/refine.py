"""Refinements of a denoised image: random replacement (R3) and averaging over random partitions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

#: Denoises images (N, C, H, W) by the mask block at a stride, with the partition given.
DenoiseOnce = Callable[[torch.Tensor, int, torch.Tensor], torch.Tensor]
#: Draws the partition for the sub-images of one image at a stride.
DrawPartition = Callable[[int], torch.Tensor]


def random_replacement(noisy: torch.Tensor, denoised: torch.Tensor, uniform: torch.Tensor, prob: float) -> torch.Tensor:
    """Put the noisy pixel back where a uniform field falls below a probability (R3 of AP-BSN).

    Args:
        noisy: Noisy images, (N, C, H, W).
        denoised: Denoised images, (N, C, H, W).
        uniform: Values in [0, 1), (N, 1, H, W) or anything that broadcasts.
        prob: Probability p of a pixel to be replaced.

    Returns:
        The mixed images, (N, C, H, W).
    """
    return torch.where(uniform < prob, noisy, denoised)


@dataclass(frozen=True)
class R3:
    """Random replacement refinement: replace, denoise again at full resolution, average ("-E" of the paper).

    Each sample runs the whole mask block at stride 1, as the official code does: a network trained with masks copies
    the pixels it sees, so calling it directly would bring the noise back.

    Attributes:
        samples: Number T of random replacements.
        prob: Probability p of a pixel to be replaced.
    """

    samples: int = 8
    prob: float = 0.16

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if not isinstance(self.samples, int) or self.samples < 1 or not 0 < self.prob < 1:
            raise ValueError(f'R3 needs a whole number of samples ≥ 1 and 0 < prob < 1, got {self}')

    def draw(
        self, shape: tuple[int, ...], partition: DrawPartition, generator: torch.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Draw for each sample the uniform field and the partition of its mask block.

        Args:
            shape: Shape (N, C, H, W) of the images; the draws are made for one image and shared by all.
            partition: Draws a partition at a stride.
            generator: Source of randomness.

        Yields:
            Pairs of a uniform field (1, 1, H, W) and branch indices (1, 1, H, W).
        """
        for _ in range(self.samples):
            yield torch.rand((1, 1, *shape[-2:]), generator=generator), partition(1)

    def refine(
        self,
        denoise_once: DenoiseOnce,
        noisy: torch.Tensor,
        denoised: torch.Tensor,
        draws: Iterable[tuple[torch.Tensor, torch.Tensor]],
        max_pixels: int | None = None,
    ) -> torch.Tensor:
        """Average the denoised random replacements.

        Args:
            denoise_once: Runs the mask block at a stride with a partition.
            noisy: Noisy images, (N, C, H, W).
            denoised: Their denoised version, (N, C, H, W).
            draws: The random choices of each sample, see `draw`.
            max_pixels: Most pixels of samples held at once, but at least one sample.

        Returns:
            The refined images, (N, C, H, W).
        """
        n, _, h, w = noisy.shape
        group_size = 1 if max_pixels is None else max(1, max_pixels // (n * h * w))
        draws, count, total = iter(draws), 0, torch.zeros_like(denoised)
        while group := list(islice(draws, group_size)):
            uniform, index = (torch.cat([draw[i].to(noisy.device) for draw in group]) for i in (0, 1))
            # Sample-major order would need the partition once per image: image-major lets it repeat (image % samples).
            mixed = random_replacement(noisy[:, None], denoised[:, None], uniform[None], self.prob)
            again = denoise_once(mixed.flatten(0, 1), 1, index)
            total += again.view(n, len(group), *again.shape[1:]).sum(1)
            count += len(group)
        return total / count


@dataclass(frozen=True)
class PartitionAverage:
    """Average over several random partitions at the denoising stride.

    Each partition gives another, equally valid, prediction of every pixel; their mean loses the part of the error that
    comes from which neighbours happened to be visible.

    Attributes:
        samples: Number of partitions, the first included.
    """

    samples: int = 8

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if not isinstance(self.samples, int) or self.samples < 1:
            raise ValueError(f'PartitionAverage needs a whole number of samples ≥ 1, got {self.samples!r}')

    def refine(
        self,
        denoise_once: DenoiseOnce,
        noisy: torch.Tensor,
        denoised: torch.Tensor,
        indices: Iterable[torch.Tensor],
        stride: int,
    ) -> torch.Tensor:
        """Average the first result with those of further partitions.

        Args:
            denoise_once: Runs the mask block at a stride with a partition.
            noisy: Noisy images, (N, C, H, W).
            denoised: The result of the first partition, (N, C, H, W).
            indices: The further partitions.
            stride: The stride of the mask block.

        Returns:
            The mean over all partitions, (N, C, H, W).
        """
        total, count = denoised.clone(), 1
        for index in indices:
            total += denoise_once(noisy, stride, index.to(noisy.device))
            count += 1
        return total / count


_REFINEMENTS = {'R3': R3, 'PartitionAverage': PartitionAverage}


def build_refinement(options: Mapping[str, Any] | None) -> R3 | PartitionAverage | None:
    """Make a refinement from its options.

    Args:
        options: `{type: R3, samples: 8, prob: 0.16}`, `{type: PartitionAverage, samples: 8}`, or None for none.

    Returns:
        The refinement, or None.

    Raises:
        ValueError: If the type or a setting is unknown or out of range.
    """
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise ValueError(f'refine must be a mapping such as {{type: R3}} or ~, got {options!r}')
    settings = dict(options)
    kind = settings.pop('type', None)
    if kind not in _REFINEMENTS:
        raise ValueError(f'refine: type must be one of {", ".join(_REFINEMENTS)} (or refine: ~ for none), got {kind!r}')
    try:
        return _REFINEMENTS[kind](**settings)
    except TypeError as error:
        raise ValueError(f'refine: {kind} has no such setting: {error}') from error
