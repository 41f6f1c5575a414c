"""Averaging over several random partitions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch

from amsnet_basicsr.scheme.refine.base import DenoiseOnce, Draw, DrawField, Refinement


@dataclass(frozen=True)
class PartitionAverage(Refinement):
    """Average over several random partitions at the denoising stride.

    Each partition gives another, equally valid, prediction of every pixel; their mean loses the part of the error that
    comes from which neighbours happened to be visible.

    Attributes:
        samples: Number of partitions, the first included.
    """

    samples: int = 8
    needs_partitions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.samples, int) or self.samples < 1:
            raise ValueError(f'PartitionAverage needs a whole number of samples ≥ 1, got {self.samples!r}')

    def pass_stride(self, stride: int) -> int:
        """Its passes are at the denoising stride."""
        return stride

    def draw(self, uniform: DrawField, partition: DrawField) -> Iterator[Draw]:
        """Draw the further partitions."""
        for _ in range(self.samples - 1):
            yield (partition(),)

    def refine(
        self,
        denoise_once: DenoiseOnce,
        noisy: torch.Tensor,
        denoised: torch.Tensor,
        draws: Iterable[Draw],
        stride: int,
        max_pixels: int | None = None,
    ) -> torch.Tensor:
        """Average the first result with those of further partitions."""
        total, count = denoised.clone(), 1
        for (partition,) in draws:
            total += denoise_once(noisy, stride, partition.to(noisy.device))
            count += 1
        return total / count
