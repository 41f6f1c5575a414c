"""DeamNet, an unrolled iteration between the noisy features and a U-shaped denoiser, with element-wise attention."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS = 64
"""Feature channels everywhere in the network."""
_STEPS = ('line11', 'line22', 'line33', 'line44')


def _conv(inputs: int, outputs: int, kernel_size: int = 3) -> nn.Sequential:
    """Make a convolution that keeps the size; the level `conv2d` only keeps the official state-dict names."""
    conv = nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(OrderedDict(conv2d=conv))


def _block(stride: int = 1) -> nn.Sequential:
    """Make a 3×3 convolution and ReLU; the level `block` only keeps the official state-dict names."""
    conv = nn.Conv2d(CHANNELS, CHANNELS, 3, stride=stride, padding=1)
    return nn.Sequential(OrderedDict(block=nn.Sequential(conv, nn.ReLU(inplace=True))))


def _gate() -> nn.Sequential:
    """Make the layers that turn features into one weight in (0, 1) for each channel and pixel."""
    hidden = CHANNELS // 16
    return nn.Sequential(_conv(CHANNELS, hidden), nn.ReLU(inplace=True), _conv(hidden, CHANNELS), nn.Sigmoid())


class Transform(nn.Module):
    """A convolution from images to the feature domain, in which the iteration runs, or back, and a residual branch.

    Args:
        inputs: Channels in.
        outputs: Channels out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.ext = _conv(inputs, outputs)
        self.pre = nn.Sequential(_conv(CHANNELS, CHANNELS), nn.ReLU(inplace=True), _conv(CHANNELS, CHANNELS))


class ToFeatures(Transform):
    """From images to features."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn images (N, C, H, W) into features (N, 64, H, W)."""
        x = self.ext(x)
        return x + self.pre(x)


class FromFeatures(Transform):
    """From features to images."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn features (N, 64, H, W) into images (N, C, H, W)."""
        return self.ext(x + self.pre(x))


class ConsistencyStep(nn.Module):
    """Draw the denoised features back to the noisy ones, by a learned weight for each element."""

    def __init__(self) -> None:
        super().__init__()
        self.cat = _conv(2 * CHANNELS, CHANNELS, 1)
        self.C = _conv(CHANNELS, CHANNELS)
        self.weight = nn.Sequential(OrderedDict(conv_du=_gate()))

    def forward(self, noisy: torch.Tensor, denoised: torch.Tensor) -> torch.Tensor:
        """Blend features (N, 64, H, W) and (N, 64, H, W); same shape out."""
        weight = self.weight(self.cat(torch.cat((self.C(noisy), denoised), dim=1)))
        return torch.lerp(denoised, noisy, weight)


class DualAttention(nn.Module):
    """Blend a scale's features with upsampled coarser ones, by a weight for each element (DEAM in the paper)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_du = _gate()
        self.cat = _conv(2 * CHANNELS, CHANNELS, 1)
        self.C = _conv(CHANNELS, CHANNELS)
        # Not a transposed convolution, whatever the official name says: it follows a nearest-neighbour upsampling.
        self.ConvTranspose = nn.Sequential(OrderedDict(conv2d=_block()))

    def forward(self, fine: torch.Tensor, enlarged: torch.Tensor) -> torch.Tensor:
        """Blend features (N, 64, H, W) and coarser ones enlarged to that size; same shape out."""
        coarse = self.ConvTranspose(enlarged)
        weight = self.conv_du(self.cat(torch.cat((self.C(fine), coarse), dim=1)))
        return torch.lerp(coarse, fine, weight)


class EncoderStage(nn.Module):
    """Two blocks, and a third that halves height and width."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(_block(), _block(), _block(stride=2))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Take features (N, 64, H, W); return those of this scale and those of the next, (N, 64, H/2, W/2)."""
        skip = self.body[1](self.body[0](x))
        return skip, self.body[2](skip)


class DecoderStage(nn.Module):
    """Skip features and enlarged coarser ones, joined by a 1×1 convolution, through two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.upsample = nn.ModuleDict({
            'conv1': _block(),
            'ConvTranspose': nn.Sequential(OrderedDict(conv2d=_block())),  # as in DualAttention
            'cat': _conv(2 * CHANNELS, CHANNELS, 1),
        })  # fmt: skip
        self.body = nn.Sequential(_block(), _block())

    def forward(self, skip: torch.Tensor, enlarged: torch.Tensor) -> torch.Tensor:
        """Take features (N, 64, H, W) and (N, 64, H, W); same shape out."""
        part = self.upsample
        joined = torch.cat((part['conv1'](skip), part['ConvTranspose'](enlarged)), dim=1)
        return self.body(part['cat'](joined))


class FeatureDenoiser(nn.Module):
    """U-shaped network of five scales that predicts a correction to features."""

    def __init__(self) -> None:
        super().__init__()
        # Official files hold these four layers, but the official forward pass never reaches them. Frozen, they
        # trouble neither an optimizer nor gradient synchronisation between processes.
        self.conv_dila1 = _conv(CHANNELS, CHANNELS, 3).requires_grad_(False)
        self.conv_dila2 = _conv(CHANNELS, CHANNELS, 5).requires_grad_(False)
        self.conv_dila3 = _conv(CHANNELS, CHANNELS, 7).requires_grad_(False)
        self.cat1 = nn.Conv2d(3 * CHANNELS, CHANNELS, 1).requires_grad_(False)

        # Scale 0 is the finest; the official order in the state dict is coarse to fine.
        for scale in (3, 2, 1, 0):
            self.add_module(f'e{scale}', EncoderStage())
        for scale in (3, 2, 1, 0):
            self.add_module(f'attention{scale}', DualAttention())
        self.mid = nn.Sequential(_block(), _block())
        for scale in (3, 2, 1, 0):
            self.add_module(f'de{scale}', DecoderStage())
        self.final = _conv(CHANNELS, CHANNELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predict the correction to features (N, 64, H, W), H and W divisible by 16; same shape out."""
        skips = []
        for scale in range(4):
            skip, x = self.get_submodule(f'e{scale}')(x)
            skips.append(skip)
        x = self.mid(x)
        for scale in (3, 2, 1, 0):
            enlarged = F.interpolate(x, scale_factor=2, mode='nearest')
            attended = self.get_submodule(f'attention{scale}')(skips.pop(), enlarged)
            x = self.get_submodule(f'de{scale}')(attended, enlarged)
        return self.final(x)


class DeamNet(nn.Module):
    """DeamNet: four turns of one shared denoiser, each followed by a learned blend with the noisy features.

    Paper: Ren et al., "Adaptive Consistency Prior based Deep Network for Image Denoising", CVPR 2021. Behaviour and
    state-dict names are those of `Deam` in the AMSNet repository (lll143653/amsnet), which follows chaoren88/DeamNet
    (2.2 M parameters, some of which no output depends on). Its switch between grey and colour images is
    `in_channels` here.

    Args:
        in_channels: Channels of input and output.
    """

    size_multiple = 16
    """Height and width must be multiples of this: four halvings."""

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.image_channels = in_channels
        self.transform_function = ToFeatures(in_channels, CHANNELS)
        self.inverse_transform_function = FromFeatures(CHANNELS, in_channels)
        for name in _STEPS:
            self.add_module(name, ConsistencyStep())
        self.net2 = FeatureDenoiser()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Denoise images.

        Args:
            x: Images, (N, C, H, W), in [0, 1], H and W divisible by 16.

        Returns:
            Denoised images, (N, C, H, W), not clipped.
        """
        noisy = self.transform_function(x)
        features = noisy
        for name in _STEPS:
            features = self.get_submodule(name)(noisy, features + self.net2(features))
        return self.inverse_transform_function(features)
