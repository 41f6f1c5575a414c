"""UNet of five scales, as Neighbor2Neighbor uses it."""

import torch
import torch.nn.functional as F
from torch import nn


def act(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of the slope that the official networks use, in place."""
    return F.leaky_relu(x, 0.2, inplace=True)


class UpsampleConcat(nn.Module):
    """Double the resolution by a transposed convolution and append the skip features.

    Args:
        channels: Channels of the coarse features C; kept.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(channels, channels, 2, stride=2)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Join features (N, C, H, W) and (N, C', 2H, 2W) to (N, C + C', 2H, 2W)."""
        return torch.cat((self.deconv(x), skip), dim=1)


class UNet(nn.Module):
    """UNet with max pooling and leaky ReLU; the output is the image itself, not a residual.

    Paper: Huang et al., "Neighbor2Neighbor: Self-Supervised Denoising from Single Noisy Images", CVPR 2021, arXiv
    2101.02824, after Noise2Noise (Lehtinen et al., ICML 2018). Behaviour and state-dict names are those of the copy
    in the AMSNet repository (lll143653/amsnet), which follows `arch_unet.py` of TaoHuang2018/Neighbor2Neighbor. The
    blind-spot variant is left out. The defaults are AMSNet's full size (7.9 M parameters).

    Args:
        in_nc: Channels of the input.
        out_nc: Channels of the output.
        n_feature: Channels of the encoder at every scale; the decoder has twice as many.
        zero_last: Whether the last convolution starts at zero.
    """

    size_multiple = 32
    """Height and width must be multiples of this: five halvings."""

    def __init__(self, in_nc: int = 3, out_nc: int = 3, n_feature: int = 128, zero_last: bool = False) -> None:
        super().__init__()
        self.image_channels = in_nc
        wide = 2 * n_feature
        head = 96  # channels at full resolution, whatever n_feature is

        def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)

        for scale in range(7):
            self.add_module(f'enc_conv{scale}', conv(n_feature if scale else in_nc, n_feature))
        for scale in (5, 4, 3, 2, 1):
            coarse, skip = (wide if scale < 5 else n_feature), (n_feature if scale > 1 else in_nc)
            out = wide if scale > 1 else head
            self.add_module(f'up{scale}', UpsampleConcat(coarse))
            self.add_module(f'dec_conv{scale}a', conv(coarse + skip, out))
            self.add_module(f'dec_conv{scale}b', conv(out, out))
        self.nin_a = conv(head, head, 1)
        self.nin_b = conv(head, head, 1)
        self.nin_c = conv(head, out_nc, 1)
        self._init_weights(zero_last)

    def _init_weights(self, zero_last: bool) -> None:
        """Start like the official net: He initialisation, no bias, a linear last layer."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, a=0.1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if zero_last:
            nn.init.zeros_(self.nin_c.weight)
        else:
            nn.init.kaiming_normal_(self.nin_c.weight, nonlinearity='linear')

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Denoise images.

        Args:
            x: Images, (N, C, H, W), in [0, 1], H and W divisible by 32.

        Returns:
            Denoised images, (N, C, H, W), not clipped.
        """
        part = self.get_submodule
        skips = [x]
        features = act(part('enc_conv0')(x))
        for scale in range(1, 6):
            features = F.max_pool2d(act(part(f'enc_conv{scale}')(features)), 2)
            skips.append(features)
        features = act(part('enc_conv6')(skips.pop()))
        for scale in (5, 4, 3, 2, 1):
            features = part(f'up{scale}')(features, skips.pop())
            features = act(part(f'dec_conv{scale}b')(act(part(f'dec_conv{scale}a')(features))))
        return self.nin_c(act(self.nin_b(act(self.nin_a(features)))))
