"""Noisy image of any size in, denoised image out: the full inference of Eq. 8."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import torch
from torch import nn

from amsnet_basicsr.scheme.branches import multi_branch_denoise
from amsnet_basicsr.scheme.mask import random_partition
from amsnet_basicsr.scheme.packed_field import PackedField
from amsnet_basicsr.scheme.pad import pad_to_multiple, required_multiple, same_size_forward
from amsnet_basicsr.scheme.pixel_shuffle import pixel_downsample, pixel_upsample
from amsnet_basicsr.scheme.refine.base import Draw, Refinement
from amsnet_basicsr.scheme.tile import RunRegion, fit_tile, tiled_forward


class AsymmetricMaskDenoiser(nn.Module):
    """Denoise by complementary masks over one network, with an optional refinement.

    All random choices come from a CPU generator seeded anew for every call and are drawn for one whole image. So an
    image's result depends on the seed alone: not on the batch it is in, on the device, on chunks or (but for what a
    network sees beyond a tile) on tiles.

    Args:
        net: The denoiser D_E, maps (N, C, H, W) to (N, C, H, W); any function will do if `size_multiple` is given.
        stride: Pixel-downsampling stride s of inference (paper: 2).
        branches: Number of branches k (paper: 2).
        mask_per_channel: Draw masks per channel; see `random_partition`.
        seed: Seed of the masks and of the refinement.
        refine: How the result is refined, see `amsnet_basicsr.scheme.refine`; None for not at all.
        tile: `{'size': 512, 'overlap': 64}` runs the network on tiles of its input, which bounds the memory for large
            images; None runs it on whole sub-images. Both are rounded up to the network's size multiple; the overlap
            may be left out.
        size_multiple: What both sides of the network's input must be divisible by; None asks `required_multiple`.
        max_pixels: Most input pixels in one pass of the network (but at least one image or tile), which bounds memory.
            More is no faster on CPUs, where features should fit the caches; on GPUs it can be.
    """

    def __init__(
        self,
        net: Callable[[torch.Tensor], torch.Tensor],
        stride: int = 2,
        branches: int = 2,
        mask_per_channel: bool = False,
        seed: int = 0,
        refine: Refinement | None = None,
        tile: Mapping[str, int] | None = None,
        size_multiple: int | None = None,
        max_pixels: int = 2**16,
    ) -> None:
        """Set up the scheme; the network is used as it is, in its present mode and on its present device."""
        super().__init__()
        if stride < 1 or branches < 2:
            raise ValueError(f'stride must be at least 1 and branches at least 2, got {stride} and {branches}')
        self.net = net
        self.stride = stride
        self.branches = branches
        self.mask_per_channel = mask_per_channel
        self.seed = seed
        self.refine = refine
        if size_multiple is None:
            if not isinstance(net, nn.Module):
                raise ValueError('size_multiple must be given for a function, which states none')
            size_multiple = required_multiple(net)
        self.size_multiple = size_multiple
        self.max_pixels = max_pixels
        self.tile = fit_tile(tile, self.size_multiple)

    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        """Denoise images, without gradients.

        Args:
            noisy: Noisy images, (N, C, H, W), float in [0, 1], of any size from 1×1 up.

        Returns:
            Denoised images, (N, C, H, W), not clamped.
        """
        with torch.inference_mode():
            denoised = self._denoise(noisy, *self._draw(noisy.shape))
        return denoised.clone()  # a common tensor again, which may take part in training

    def on_regions(self, shape: tuple[int, ...]) -> RunRegion:
        """Return a function that denoises regions of an image as `forward` denoises the whole.

        The random choices are made once for the whole image and kept: a region gets its part of them, so that its
        result is that of the whole image but for what the network sees beyond it.

        Args:
            shape: Shape (1, C, H, W) of the image.

        Returns:
            A function of a region (1, C, h, w), its first row and its first column, both multiples of the stride.
        """
        partition, draws = self._draw(shape)
        whole, samples = PackedField(partition), [[PackedField(field) for field in draw] for draw in draws]

        def denoise(region: torch.Tensor, top: int, left: int) -> torch.Tensor:
            place = (top, top + region.shape[2], left, left + region.shape[3])
            draws = (tuple(field.part(*place) for field in sample) for sample in samples)
            return self._denoise(region, whole.part(*place), draws)

        return denoise

    def _draw(self, shape: tuple[int, ...]) -> tuple[torch.Tensor, Iterator[Draw]]:
        """Draw the partition of the first pass for one image, and, once they are asked for, the refinement's fields."""
        _, c, h, w = shape
        generator = torch.Generator().manual_seed(self.seed)
        partition = partial(random_partition, (1, c, h, w), self.branches, generator, self.mask_per_channel)
        uniform = partial(torch.rand, (1, 1, h, w), generator=generator)
        return partition(), self.refine.draw(uniform, partition) if self.refine is not None else iter(())

    def _denoise(self, noisy: torch.Tensor, partition: torch.Tensor, draws: Iterable[Draw]) -> torch.Tensor:
        denoised = self._pass(noisy, self.stride, partition)
        if self.refine is None:
            return denoised
        return self.refine.refine(self._pass, noisy, denoised, draws, self.stride, self.max_pixels)

    def _pass(self, noisy: torch.Tensor, stride: int, partition: torch.Tensor) -> torch.Tensor:
        return self.denoise_once(noisy, stride, self.split_partition(partition, stride))

    def draw_partition(self, shape: tuple[int, ...], stride: int, generator: torch.Generator) -> torch.Tensor:
        """Draw the partition for the sub-images of one image.

        Args:
            shape: Shape (N, C, H, W) of the images; N doesn't matter.
            stride: Pixel-downsampling stride s.
            generator: Source of randomness.

        Returns:
            Branch indices, (s², 1 or C, ⌈H/s⌉, ⌈W/s⌉).
        """
        _, c, h, w = shape
        return self.split_partition(
            random_partition((1, c, h, w), self.branches, generator, self.mask_per_channel), stride
        )

    @staticmethod
    def split_partition(whole: torch.Tensor, stride: int) -> torch.Tensor:
        """Split the partition of an image as P_s splits the image.

        Args:
            whole: Branch index of each pixel of the images, (M, 1 or C, H, W).
            stride: Pixel-downsampling stride s.

        Returns:
            Branch indices, (M·s², 1 or C, ⌈H/s⌉, ⌈W/s⌉).
        """
        # Drawn for the image and padded with it, so that a mirrored pixel is hidden together with its source: else the
        # padding would show a hidden pixel to its own prediction.
        if whole.shape[-2] % stride or whole.shape[-1] % stride:
            whole = pad_to_multiple(whole.float(), stride).to(torch.uint8)
        return pixel_downsample(whole, stride)

    def denoise_once(self, noisy: torch.Tensor, stride: int, index: torch.Tensor) -> torch.Tensor:
        """Run the mask block once: P_s⁻¹( D_M( P_s(I_N) ) ) of Eq. 8, differentiable.

        Args:
            noisy: Images, (N, C, H, W).
            stride: Pixel-downsampling stride s.
            index: Branch indices, (N·s², …) for each image its own, or (s², …) for all the same.

        Returns:
            Denoised images, (N, C, H, W).
        """
        h, w = noisy.shape[-2:]
        sub = pixel_downsample(pad_to_multiple(noisy, stride), stride)
        out = multi_branch_denoise(self._run_net, sub, index.to(sub.device), self.branches, self.max_pixels)
        return pixel_upsample(out, stride)[..., :h, :w]

    def _run_net(self, x: torch.Tensor) -> torch.Tensor:
        return run_net(self.net, x, self.size_multiple, self.tile)


def run_net(
    net: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, size_multiple: int, tile: Mapping[str, int] | None
) -> torch.Tensor:
    """Run a network on images of any size, whole or in tiles of `fit_tile`."""
    if tile is not None:
        net = partial(tiled_forward, net, size=tile['size'], overlap=tile['overlap'], align=size_multiple)
    return same_size_forward(net, x, size_multiple)
