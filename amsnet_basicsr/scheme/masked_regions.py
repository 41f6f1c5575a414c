"""The mask scheme on a region of an image, with the random choices of the whole image."""

import numpy as np
import torch

from amsnet_basicsr.scheme import R3, AsymmetricMaskDenoiser, PartitionAverage, random_partition


class MaskedRegions:
    """Runs `AsymmetricMaskDenoiser` on regions as it would run on the whole image.

    The draws are made once for the whole image, in the order in which the denoiser makes them, and kept as bits: a
    region gets its part of them, so that its result is that of the whole image but for what the network sees beyond.

    Args:
        denoiser: The denoiser of whole images.
        shape: Shape (1, C, H, W) of the image.
    """

    def __init__(self, denoiser: AsymmetricMaskDenoiser, shape: tuple[int, int, int, int]) -> None:
        self.denoiser = denoiser
        generator = torch.Generator().manual_seed(denoiser.seed)
        refine = denoiser.refine

        def partition() -> _Field:
            index = random_partition(shape, denoiser.branches, generator, denoiser.mask_per_channel)
            return _Field(index, packed=denoiser.branches == 2)

        self.first = partition()
        self.replaced: list[_Field] = []
        self.further: list[_Field] = []
        for _ in range(refine.samples if isinstance(refine, R3) else 0):
            uniform = torch.rand((1, 1, *shape[-2:]), generator=generator)
            self.replaced.append(_Field((uniform < refine.prob).to(torch.uint8), packed=True))
            self.further.append(partition())
        for _ in range(refine.samples - 1 if isinstance(refine, PartitionAverage) else 0):
            self.further.append(partition())

    def __call__(self, noisy: torch.Tensor, top: int, left: int) -> torch.Tensor:
        """Denoise a region.

        Args:
            noisy: The region, (1, C, h, w), in [0, 1].
            top: Its first row in the image, a multiple of the stride.
            left: Its first column in the image, a multiple of the stride.

        Returns:
            The denoised region, (1, C, h, w), not clamped.
        """
        denoiser, refine = self.denoiser, self.denoiser.refine
        place = (top, top + noisy.shape[2], left, left + noisy.shape[3])
        denoised = denoiser.denoise_once(noisy, denoiser.stride, denoiser.fit(self.first(*place), denoiser.stride))
        if isinstance(refine, R3):
            draws = (
                # Below any probability where the pixel is put back, above where it isn't.
                (1 - replaced(*place).float(), denoiser.fit(further(*place), 1))
                for replaced, further in zip(self.replaced, self.further, strict=True)
            )
            return refine.refine(denoiser.denoise_once, noisy, denoised, draws, denoiser.max_pixels)
        if isinstance(refine, PartitionAverage):
            indices = (denoiser.fit(further(*place), denoiser.stride) for further in self.further)
            return refine.refine(denoiser.denoise_once, noisy, denoised, indices, denoiser.stride)
        return denoised


class _Field:
    """A field of small integers, (1, C, H, W), kept as bits if it holds only 0 and 1."""

    def __init__(self, values: torch.Tensor, packed: bool) -> None:
        array = values.numpy()
        self.packed = packed
        self.array = np.packbits(array, axis=3) if packed else array

    def __call__(self, top: int, bottom: int, left: int, right: int) -> torch.Tensor:
        """Return rows `top` to `bottom`, columns `left` to `right`, uint8."""
        if not self.packed:
            return torch.from_numpy(np.ascontiguousarray(self.array[..., top:bottom, left:right]))
        first = left // 8
        bits = np.unpackbits(self.array[:, :, top:bottom, first : -(-right // 8)], axis=3)
        return torch.from_numpy(np.ascontiguousarray(bits[..., left - 8 * first : right - 8 * first]))
