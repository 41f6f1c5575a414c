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

        self.enc_conv0 = conv(in_nc, n_feature)
        self.enc_conv1 = conv(n_feature, n_feature)
        self.enc_conv2 = conv(n_feature, n_feature)
        self.enc_conv3 = conv(n_feature, n_feature)
        self.enc_conv4 = conv(n_feature, n_feature)
        self.enc_conv5 = conv(n_feature, n_feature)
        self.enc_conv6 = conv(n_feature, n_feature)

        self.up5 = UpsampleConcat(n_feature)
        self.dec_conv5a = conv(n_feature + n_feature, wide)
        self.dec_conv5b = conv(wide, wide)
        self.up4 = UpsampleConcat(wide)
        self.dec_conv4a = conv(wide + n_feature, wide)
        self.dec_conv4b = conv(wide, wide)
        self.up3 = UpsampleConcat(wide)
        self.dec_conv3a = conv(wide + n_feature, wide)
        self.dec_conv3b = conv(wide, wide)
        self.up2 = UpsampleConcat(wide)
        self.dec_conv2a = conv(wide + n_feature, wide)
        self.dec_conv2b = conv(wide, wide)
        self.up1 = UpsampleConcat(wide)
        self.dec_conv1a = conv(wide + in_nc, head)
        self.dec_conv1b = conv(head, head)
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
        skips = [x]
        features = act(self.enc_conv0(x))
        for conv in (self.enc_conv1, self.enc_conv2, self.enc_conv3, self.enc_conv4, self.enc_conv5):
            features = F.max_pool2d(act(conv(features)), 2)
            skips.append(features)
        features = act(self.enc_conv6(skips.pop()))

        for up, conv_a, conv_b in (
            (self.up5, self.dec_conv5a, self.dec_conv5b),
            (self.up4, self.dec_conv4a, self.dec_conv4b),
            (self.up3, self.dec_conv3a, self.dec_conv3b),
            (self.up2, self.dec_conv2a, self.dec_conv2b),
            (self.up1, self.dec_conv1a, self.dec_conv1b),
        ):
            features = act(conv_b(act(conv_a(up(features, skips.pop())))))
        return self.nin_c(act(self.nin_b(act(self.nin_a(features)))))
