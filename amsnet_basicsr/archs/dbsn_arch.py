"""DBSNl, the lightweight blind-spot network of AP-BSN, and its form without dilation."""

import torch
import torch.nn.functional as F
from torch import nn


class CentralMaskedConv2d(nn.Conv2d):
    """Convolution that does not see the pixel at its own position.

    Args:
        channels: Channels in and out.
        kernel_size: Odd side of the kernel; the size of the image is kept.
    """

    mask: torch.Tensor

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__(channels, channels, kernel_size, padding=kernel_size // 2)
        # A buffer in the state dict, of the weight's shape, only because official files have it.
        self.register_buffer('mask', torch.ones_like(self.weight))
        self.mask[:, :, kernel_size // 2, kernel_size // 2] = 0
        with torch.no_grad():
            self.weight.mul_(self.mask)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve features (N, C, H, W); same shape out."""
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class ResidualConv(nn.Module):
    """A 3×3 and a 1×1 convolution added to their input.

    Args:
        channels: Channels in and out.
        dilation: Distance of the pixels that the 3×3 convolution reads.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform features (N, C, H, W); same shape out."""
        return x + self.body(x)


class BlindSpotBranch(nn.Module):
    """A centre-masked convolution and convolutions that keep its blind spot, if they are dilated.

    The masked kernel has side 2·stride − 1. Dilated convolutions step in multiples of `stride`, beyond that kernel,
    so that nothing after it can reach back to the hidden centre.

    Args:
        stride: Dilation that keeps the blind spot.
        channels: Channels in and out.
        num_module: Number of residual modules.
        dilated: Whether the residual modules are dilated; otherwise they see the centre.
    """

    def __init__(self, stride: int, channels: int, num_module: int, dilated: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            CentralMaskedConv2d(channels, 2 * stride - 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(inplace=True),
            *(ResidualConv(channels, stride if dilated else 1) for _ in range(num_module)),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform features (N, C, H, W); same shape out."""
        return self.body(x)


class DBSNl(nn.Module):
    """DBSNl: two blind-spot branches (3×3 and 5×5 masked kernels) joined by pointwise convolutions.

    Paper: Lee et al., "AP-BSN: Self-Supervised Denoising for Real-World Images via Asymmetric PD and Blind-Spot
    Network", CVPR 2022, arXiv 2203.11799. Behaviour and state-dict names are those of `src/model/DBSNl.py` in
    wooseoklee4/AP-BSN. The defaults are its full size (3.7 M parameters).

    With `dilated` the network is the denoiser D_A in the AMSNet paper: no output pixel depends on the input pixel at
    its place. Without, it is D_AS: the centre-masked convolutions stay, but standard convolutions after them carry
    the centre back in, so a blind-spot loss learns the identity. Both have the same weights, so which one a file
    holds can't be read from it.

    Args:
        in_ch: Channels of the input.
        out_ch: Channels of the output.
        base_ch: Channels in between; even.
        num_module: Residual modules per branch.
        dilated: Whether the residual modules are dilated (D_A) or not (D_AS).
    """

    size_multiple = 1
    """Any height and width will do."""

    def __init__(
        self,
        in_ch: int = 3,
        out_ch: int = 3,
        base_ch: int = 128,
        num_module: int = 9,
        dilated: bool = True,
    ) -> None:
        super().__init__()
        self.image_channels = in_ch
        if base_ch % 2:
            raise ValueError(f'base_ch must be even, got {base_ch}.')
        self.head = nn.Sequential(nn.Conv2d(in_ch, base_ch, 1), nn.ReLU(inplace=True))
        self.branch1 = BlindSpotBranch(2, base_ch, num_module, dilated)
        self.branch2 = BlindSpotBranch(3, base_ch, num_module, dilated)
        self.tail = nn.Sequential(
            nn.Conv2d(2 * base_ch, base_ch, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(base_ch, base_ch // 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(base_ch // 2, base_ch // 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(base_ch // 2, out_ch, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Denoise images.

        Args:
            x: Images, (N, C, H, W), in [0, 1].

        Returns:
            Denoised images, (N, C, H, W), not clipped.
        """
        features = self.head(x)
        return self.tail(torch.cat((self.branch1(features), self.branch2(features)), dim=1))
