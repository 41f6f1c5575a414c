"""Random replacement refinement (R3): "-E" of the AMSNet paper."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch

from amsnet_basicsr.scheme.refine.base import DenoiseOnce, Draw, DrawField, Refinement


@dataclass(frozen=True)
class R3(Refinement):
    """Put noisy pixels back at random, denoise again at full resolution, average (Lee et al., CVPR 2022, Sec. 3.4).

    For AMSNet each sample runs the whole mask block at stride 1, as the official code does: a network trained with
    masks copies the pixels it sees, so calling it directly would bring the noise back. AP-BSN's blind-spot network is
    called directly.

    Attributes:
        samples: Number T of random replacements.
        prob: Probability p of a pixel to be replaced.
    """

    samples: int = 8
    prob: float = 0.16

    def __post_init__(self) -> None:
        if not isinstance(self.samples, int) or self.samples < 1 or not 0 < self.prob < 1:
            raise ValueError(f'R3 needs a whole number of samples ≥ 1 and 0 < prob < 1, got {self}')

    def pass_stride(self, stride: int) -> int:
        """Its passes are at full resolution."""
        return 1

    def draw(self, uniform: DrawField, partition: DrawField) -> Iterator[Draw]:
        """Draw for each sample which pixels are replaced, and the partition of its pass."""
        for _ in range(self.samples):
            yield uniform() < self.prob, partition()

    def refine(
        self,
        denoise_once: DenoiseOnce,
        noisy: torch.Tensor,
        denoised: torch.Tensor,
        draws: Iterable[Draw],
        stride: int,
        max_pixels: int | None = None,
    ) -> torch.Tensor:
        """Average the denoised random replacements."""
        n, _, h, w = noisy.shape
        group_size = self.samples if max_pixels is None else max(1, max_pixels // (n * h * w))
        draws, count, total = iter(draws), 0, torch.zeros_like(denoised)
        while group := list(islice(draws, group_size)):
            replaced, partition = (torch.cat([draw[i].to(noisy.device) for draw in group]) for i in (0, 1))
            # Image-major, so that image i takes partition i mod samples.
            mixed = torch.where(replaced[None].bool(), noisy[:, None], denoised[:, None])
            again = denoise_once(mixed.flatten(0, 1), 1, partition)
            total += again.view(n, len(group), *again.shape[1:]).sum(1)
            count += len(group)
        return total / count
