"""A blind-spot U-Net at full resolution, one of the teachers of the shipped model: `options/train_half_plane.yml`.

    python basicsr/train.py -opt options/train_half_plane.yml

Four copies of a U-Net see the half plane above a pixel, below it, left and right of it, none nearer than `shift` pixels
(Laine et al., "High-quality self-supervised deep image denoising", NeurIPS 2019). So it learns from noisy images as
input and as target. Trained with a shift that the noise's correlation doesn't reach across, it may see more at
inference (Chen et al., "Exploring asymmetric tunable blind-spots", 2023).
"""

import torch
import torch.nn.functional as F
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

import amsnet_basicsr.plugin  # noqa: F401 (makes BasicSR importable beside a current torchvision)


class ConvUp(nn.Module):
    """3×3 convolution that sees its own row and the two above, and LeakyReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=(0, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, out_channels, H, W)."""
        return F.leaky_relu(self.conv(F.pad(x, (0, 0, 2, 0))), 0.1)


def halve(x: torch.Tensor) -> torch.Tensor:
    """Maximum over 2×2 pixels: a row and the one above it, so that nothing below is seen."""
    return F.max_pool2d(F.pad(x, (0, 0, 1, 0))[:, :, :-1], 2)


@ARCH_REGISTRY.register()
class HalfPlaneUNet(nn.Module):
    """Predict each pixel from all but a square of 2·shift − 1 pixels around it.

    Args:
        img_channel: Channels of an image.
        width: Features.
        levels: How often the U-Net halves its input.
        shift: Distance of the nearest rows and columns that a pixel's prediction depends on.
    """

    def __init__(self, img_channel: int = 3, width: int = 48, levels: int = 4, shift: int = 5) -> None:
        super().__init__()
        self.shift, self.size_multiple, self.image_channels = shift, 2**levels, img_channel
        wide = 2 * width
        self.head = nn.Sequential(ConvUp(img_channel, width), ConvUp(width, width))
        self.enc = nn.ModuleList(ConvUp(width, width) for _ in range(levels))
        self.dec = nn.ModuleList(
            nn.Sequential(ConvUp((3 if level else 2) * width, wide), ConvUp(wide, wide)) for level in range(levels - 1)
        )
        self.tail = nn.Sequential(ConvUp(wide + img_channel, wide), ConvUp(wide, wide))
        self.mix = nn.Sequential(
            nn.Conv2d(4 * wide, 2 * wide, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * wide, wide, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(wide, img_channel, 1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, 0.1)
                nn.init.zeros_(module.bias)
        with torch.no_grad():  # begin near the brightness of images
            self.mix[-1].weight.mul_(0.1)
            self.mix[-1].bias.fill_(0.3)

    def above(self, x: torch.Tensor) -> torch.Tensor:
        """Features of each pixel from its row and those above, (N, 2·width, H, W)."""
        skips, y = [x], self.head(x)
        for block in self.enc:
            y = block(halve(y))
            skips.append(y)
        skips.pop()
        for block in [*self.dec, self.tail]:
            y = block(torch.cat([F.interpolate(y, scale_factor=2.0), skips.pop()], dim=1))
        return y

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W), sides multiples of 2 to the power of `levels`, to predictions of the same shape."""
        features = []
        for turns in range(4):
            seen = self.above(torch.rot90(x, turns, (2, 3)).contiguous())
            shifted = F.pad(seen, (0, 0, self.shift, 0))[:, :, : seen.shape[2]]
            features.append(torch.rot90(shifted, -turns, (2, 3)))
        return self.mix(torch.cat(features, dim=1))
