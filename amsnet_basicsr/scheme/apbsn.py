"""AP-BSN: a blind-spot network on mosaics of sub-images, the baseline of the AMSNet paper's Table 3.

Lee et al., "AP-BSN: Self-Supervised Denoising for Real-World Images via Asymmetric PD and Blind-Spot Network", CVPR
2022, arXiv 2203.11799. Behaviour is that of `src/model/APBSN.py` in wooseoklee4/AP-BSN.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from amsnet_basicsr.scheme.denoiser import run_net
from amsnet_basicsr.scheme.pad import required_multiple
from amsnet_basicsr.scheme.pixel_shuffle import pixel_downsample, pixel_upsample
from amsnet_basicsr.scheme.refine.base import Refinement
from amsnet_basicsr.scheme.tile import fit_tile

#: Maps images (N, C, H, W) to images of the same shape.
Denoise = Callable[[torch.Tensor], torch.Tensor]


def mosaic_downsample(x: torch.Tensor, stride: int, pad: int = 0) -> torch.Tensor:
    """Lay the sub-images of each image out side by side in one image, with zeros around each.

    AMSNet stacks the sub-images in the batch. AP-BSN's network sees them as one image, so near a sub-image's border
    it looks across the gap into the next one.

    Args:
        x: Images, (N, C, H, W), H and W divisible by `stride`.
        stride: Pixel-downsampling factor s ≥ 1.
        pad: Zeros on each side of each sub-image.

    Returns:
        Mosaics, (N, C, H + 2·s·pad, W + 2·s·pad): s rows of s sub-images, row offset downwards.

    Raises:
        ValueError: If H or W is not divisible by `stride`.
    """
    sub = F.pad(pixel_downsample(x, stride), (pad, pad, pad, pad))
    _, c, h, w = sub.shape
    grid = sub.view(x.shape[0], stride, stride, c, h, w)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(x.shape[0], c, stride * h, stride * w)


def mosaic_upsample(mosaic: torch.Tensor, stride: int, pad: int = 0) -> torch.Tensor:
    """Put the sub-images of mosaics back in place, the inverse of `mosaic_downsample`.

    Args:
        mosaic: Mosaics, (N, C, H + 2·s·pad, W + 2·s·pad).
        stride: Pixel-downsampling factor s ≥ 1.
        pad: Pixels on each side of each sub-image; what is there is dropped.

    Returns:
        Images, (N, C, H, W).

    Raises:
        ValueError: If the mosaic is not s × s sub-images larger than their padding.
    """
    n, c, height, width = mosaic.shape
    h, w = height // stride, width // stride
    if height % stride or width % stride or min(h, w) <= 2 * pad:
        raise ValueError(f'{height}×{width} pixels are not a mosaic of {stride}×{stride} sub-images padded by {pad}')
    sub = mosaic.view(n, c, stride, h, stride, w).permute(0, 2, 4, 1, 3, 5).reshape(n * stride**2, c, h, w)
    return pixel_upsample(sub[..., pad : h - pad, pad : w - pad], stride)


def mosaic_denoise(net: Denoise, noisy: torch.Tensor, stride: int, pad: int) -> torch.Tensor:
    """Denoise images by a network that sees their mosaics: the step of training and of denoising, differentiable.

    Args:
        net: The denoiser.
        noisy: Images, (N, C, H, W), of any size from 1×1 up.
        stride: Pixel-downsampling stride s.
        pad: Zeros on each side of each sub-image.

    Returns:
        Denoised images, (N, C, H, W).
    """
    h, w = noisy.shape[-2:]
    # Zeros, as around every sub-image: a mirrored pixel would lie beside its source and show it to the blind spot.
    whole = F.pad(noisy, (0, -w % stride, 0, -h % stride))
    mosaic = mosaic_downsample(whole, stride, pad)
    return mosaic_upsample(net(mosaic), stride, pad)[..., :h, :w]


def bordered_denoise(net: Denoise, x: torch.Tensor, pad: int) -> torch.Tensor:
    """Denoise images at full resolution within a reflected border, which is cropped off again.

    Args:
        net: The denoiser.
        x: Images, (N, C, H, W), of any size from 1×1 up; too small ones have their edge repeated instead.
        pad: Width of the border in pixels.

    Returns:
        Denoised images, (N, C, H, W).
    """
    h, w = x.shape[-2:]
    mode = 'reflect' if pad < min(h, w) else 'replicate'
    return net(F.pad(x, (pad, pad, pad, pad), mode))[..., pad : pad + h, pad : pad + w]


class PixelDownsampleDenoiser(nn.Module):
    """Denoise by a blind-spot network on mosaics of sub-images, with AP-BSN's refinement if asked for.

    What R3 replaces comes from a CPU generator seeded anew for every call and is drawn for one image. So an image's
    result depends on the seed alone: not on the batch it is in, on the device, on chunks or (but for what a network
    sees beyond a tile) on tiles.

    Args:
        net: The denoiser, maps (N, C, H, W) to (N, C, H, W). Without a blind spot it may copy the noise.
        stride: Pixel-downsampling stride s of inference (paper: 2).
        pad: Zeros on each side of each sub-image, and width of the reflected border in the refinement (official: 2).
        seed: Seed of the refinement.
        refine: How the result is refined, or None; one that needs masks is refused. R3 replaces values per channel.
        tile: `{'size': 512, 'overlap': 64}` runs the network on tiles of its input, which bounds the memory for large
            images; None runs it on whole mosaics. Both are rounded up to the network's size multiple.
        size_multiple: What both sides of the network's input must be divisible by; None asks `required_multiple`.
        max_pixels: Most input pixels in one pass of the network (but at least one image or tile), which bounds memory.
    """

    def __init__(
        self,
        net: nn.Module,
        stride: int = 2,
        pad: int = 2,
        seed: int = 0,
        refine: Refinement | None = None,
        tile: Mapping[str, int] | None = None,
        size_multiple: int | None = None,
        max_pixels: int = 2**16,
    ) -> None:
        """Set up the scheme; the network is used as it is, in its present mode and on its present device."""
        super().__init__()
        if stride < 1 or pad < 0:
            raise ValueError(f'stride must be at least 1 and pad at least 0, got {stride} and {pad}')
        if refine is not None and refine.needs_partitions:
            raise ValueError(f'AP-BSN has no partitions for {type(refine).__name__}; it takes R3 or no refinement')
        self.net = net
        self.stride = stride
        self.pad = pad
        self.seed = seed
        self.refine = refine
        self.size_multiple = required_multiple(net) if size_multiple is None else size_multiple
        self.max_pixels = max_pixels
        self.tile = fit_tile(tile, self.size_multiple)

    @torch.no_grad()
    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        """Denoise images.

        Args:
            noisy: Noisy images, (N, C, H, W), float in [0, 1], of any size from 1×1 up.

        Returns:
            Denoised images, (N, C, H, W), not clamped.
        """
        denoised = self.denoise_once(noisy, self.stride)
        if self.refine is None:
            return denoised
        generator = torch.Generator().manual_seed(self.seed)
        _, c, h, w = noisy.shape
        uniform = partial(torch.rand, (1, c, h, w), generator=generator)
        nothing_hidden = partial(torch.zeros, (1, 1, 1, 1), dtype=torch.uint8)
        draws = self.refine.draw(uniform, nothing_hidden)
        return self.refine.refine(self._pass, noisy, denoised, draws, self.stride, self.max_pixels)

    def _pass(self, noisy: torch.Tensor, stride: int, partition: torch.Tensor) -> torch.Tensor:
        """Run the network as a refinement asks for it: at full resolution, where a blind spot alone hides a pixel."""
        return self.denoise_directly(noisy) if stride == 1 else self.denoise_once(noisy, stride)

    def denoise_once(self, noisy: torch.Tensor, stride: int) -> torch.Tensor:
        """Run the network once on mosaics, without refinement.

        Args:
            noisy: Images, (N, C, H, W).
            stride: Pixel-downsampling stride s.

        Returns:
            Denoised images, (N, C, H, W).
        """
        return mosaic_denoise(self._run_net, noisy, stride, self.pad)

    def denoise_directly(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network once at full resolution, as the refinement does.

        Args:
            x: Images, (N, C, H, W).

        Returns:
            Denoised images, (N, C, H, W).
        """
        return bordered_denoise(self._run_net, x, self.pad)

    def _run_net(self, x: torch.Tensor) -> torch.Tensor:
        images = max(1, self.max_pixels // (x.shape[-2] * x.shape[-1]))
        return torch.cat([run_net(self.net, chunk, self.size_multiple, self.tile) for chunk in torch.split(x, images)])
