"""DnCNN, a plain chain of convolutions that predicts the noise."""

from typing import Literal

import torch
from torch import nn


class DnCNN(nn.Module):
    """DnCNN: the chain predicts the noise, which is subtracted from the input.

    Paper: Zhang et al., "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising", IEEE TIP
    2017, arXiv 1608.03981. Behaviour and state-dict names are those of the copy in the AMSNet repository
    (lll143653/amsnet), which follows `models/network_dncnn.py` of cszn/KAIR. The defaults are AMSNet's full size
    (0.56 M parameters).

    Args:
        in_nc: Channels of the input.
        out_nc: Channels of the output; equal to `in_nc`, since the noise is subtracted from the input, or 1.
        nc: Channels in between.
        nb: Number of convolutions, at least 2.
        act_mode: What follows a convolution: 'R' is ReLU, 'BR' is batch normalisation and ReLU. The first and the
            last convolution have no batch normalisation.
    """

    size_multiple = 1
    """Any height and width will do."""

    def __init__(
        self,
        in_nc: int = 3,
        out_nc: int = 3,
        nc: int = 64,
        nb: int = 17,
        act_mode: Literal['R', 'BR'] = 'BR',
    ) -> None:
        super().__init__()
        self.image_channels = in_nc
        if act_mode not in ('R', 'BR'):
            raise ValueError(f"act_mode must be 'R' or 'BR', got {act_mode!r}.")
        if nb < 2:
            raise ValueError(f'nb must be at least 2 (a first and a last convolution), got {nb}.')
        if out_nc not in (1, in_nc):
            raise ValueError(f'out_nc must be 1 or equal in_nc = {in_nc}, got {out_nc}.')

        layers = [nn.Conv2d(in_nc, nc, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(nb - 2):
            layers.append(nn.Conv2d(nc, nc, 3, padding=1))
            if act_mode == 'BR':
                layers.append(nn.BatchNorm2d(nc, eps=1e-4, momentum=0.9))
            layers.append(nn.ReLU(inplace=True))
        layers.append(nn.Conv2d(nc, out_nc, 3, padding=1))
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Denoise images.

        Args:
            x: Images, (N, C, H, W), in [0, 1].

        Returns:
            Denoised images, (N, C, H, W), not clipped.
        """
        return x - self.model(x)
