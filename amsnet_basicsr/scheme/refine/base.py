"""What every refinement of a denoised image provides."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import torch

#: Returns a random field of one image: values in [0, 1), or a partition into branches.
DrawField = Callable[[], torch.Tensor]
#: The random fields of one sample, each (1, 1 or C, H, W).
Draw = tuple[torch.Tensor, ...]
#: Denoises images (N, C, H, W) at a stride; of M partitions (M, 1 or C, H, W) image n takes number n mod M.
DenoiseOnce = Callable[[torch.Tensor, int, torch.Tensor], torch.Tensor]


class Refinement(ABC):
    """Improves a denoised image by further passes of the scheme that made it.

    It says which random fields it needs (`draw`), so that a scheme can draw them for the whole image and hand it the
    part of a region, and how it uses them (`refine`). A new refinement is a frozen dataclass in a file of its own and
    a line in `REFINEMENTS`.

    Attributes:
        samples: Number of samples that are averaged.
        needs_partitions: Whether it means nothing for a scheme without masks, such as AP-BSN.
    """

    samples: int
    needs_partitions: ClassVar[bool] = False

    def options(self) -> dict[str, Any]:
        """Return the options that `build_refinement` makes it from."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # every refinement is a dataclass
        return {'type': type(self).__name__, **{field.name: getattr(self, field.name) for field in fields}}

    @abstractmethod
    def pass_stride(self, stride: int) -> int:
        """Return the stride of its passes if the first was at `stride`; the smaller one determines the memory."""

    @abstractmethod
    def draw(self, uniform: DrawField, partition: DrawField) -> Iterator[Draw]:
        """Draw the random fields of its passes for one whole image, sample by sample.

        Args:
            uniform: Draws values in [0, 1), (1, 1 or C, H, W).
            partition: Draws a partition of the pixels into branches, (1, 1 or C, H, W).

        Yields:
            The fields of a sample.
        """

    @abstractmethod
    def refine(
        self,
        denoise_once: DenoiseOnce,
        noisy: torch.Tensor,
        denoised: torch.Tensor,
        draws: Iterable[Draw],
        stride: int,
        max_pixels: int | None = None,
    ) -> torch.Tensor:
        """Refine denoised images.

        Args:
            denoise_once: Runs the scheme once.
            noisy: Noisy images, (N, C, H, W).
            denoised: Their denoised version, (N, C, H, W).
            draws: The fields of each sample as `draw` yields them, or the part of them where the images lie.
            stride: Stride of the first pass.
            max_pixels: Most pixels of samples held at once, but at least one sample; None sets no limit.

        Returns:
            The refined images, (N, C, H, W).
        """
