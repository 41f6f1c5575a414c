"""NAFNet, a U-shaped network without activation functions, and the baseline it was derived from."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from .layers.channel_norm import ChannelNorm
from .layers.local_mean import LocalMean, scale_by


class SimpleGate(nn.Module):
    """Multiply one half of the channels by the other: (N, 2C, H, W) → (N, C, H, W)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Gate features."""
        first, second = x.chunk(2, dim=1)
        return first * second


def _scaled(conv: nn.Conv2d, gain: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Compute `conv(x) * gain` for a pointwise convolution: its few weights are scaled instead of the image."""
    bias = None if conv.bias is None else conv.bias * gain.flatten()
    return F.conv2d(x, conv.weight * gain.view(-1, 1, 1, 1), bias)


class _Block(nn.Module):
    """A spatial and a pointwise branch, each normalised before, scaled by a learned gain and added to its input.

    Args:
        channels: Number of channels C.
        dw_expand: Channels of the spatial branch before its activation, as a multiple of C.
        ffn_expand: Channels of the pointwise branch before its activation, as a multiple of C.
    """

    activation_type: type[nn.Module]
    kept = 1.0
    """Share of the channels that the activation keeps."""
    attention_name: str
    """State-dict name of the channel attention."""

    def __init__(self, channels: int, dw_expand: int = 1, ffn_expand: int = 2) -> None:
        super().__init__()
        spatial, pointwise = dw_expand * channels, ffn_expand * channels
        spatial_out, pointwise_out = int(spatial * self.kept), int(pointwise * self.kept)
        # Gains of zero: a new block is the identity.
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.conv1 = nn.Conv2d(channels, spatial, 1)
        self.conv2 = nn.Conv2d(spatial, spatial, 3, padding=1, groups=spatial)
        self.conv3 = nn.Conv2d(spatial_out, channels, 1)
        self.activation = self.activation_type()
        self.add_module(self.attention_name, nn.Sequential(nn.AdaptiveAvgPool2d(1), *self._attention(spatial_out)))
        self.cell = 0
        self.conv4 = nn.Conv2d(channels, pointwise, 1)
        self.conv5 = nn.Conv2d(pointwise_out, channels, 1)
        self.norm1 = ChannelNorm(channels, eps=1e-6)
        self.norm2 = ChannelNorm(channels, eps=1e-6)

    @staticmethod
    def _attention(channels: int) -> Sequence[nn.Module]:
        """Make the layers from an image's mean of each channel, (N, C', 1, 1), to its factor for the channel."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform features (N, C, H, W); same shape out."""
        y = self.activation(self.conv2(self.conv1(self.norm1(x))))
        y = scale_by(y, self.get_submodule(self.attention_name)(y), self.cell)
        x = x + _scaled(self.conv3, self.beta, y)
        y = self.activation(self.conv4(self.norm2(x)))
        return x + _scaled(self.conv5, self.gamma, y)

    def pool_locally(self, window: int) -> None:
        """Let the channel attention average over windows instead of the whole image."""
        attention = self.get_submodule(self.attention_name)
        assert isinstance(attention, nn.Sequential)
        attention[0] = pool = LocalMean(window)
        self.cell = pool.cell


class NAFBlock(_Block):
    """Block with SimpleGate and simplified channel attention (Sec. 3.4): no activation function at all.

    Args:
        channels: Number of channels C.
    """

    activation_type, kept, attention_name = SimpleGate, 0.5, 'sca'

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2, 2)

    @staticmethod
    def _attention(channels: int) -> Sequence[nn.Module]:
        return [nn.Conv2d(channels, channels, 1)]


class BaselineBlock(_Block):
    """Block with GELU and squeeze-and-excitation, from which NAFBlock was derived (Sec. 3.3); arguments of `_Block`."""

    activation_type, attention_name = nn.GELU, 'se'

    @staticmethod
    def _attention(channels: int) -> Sequence[nn.Module]:
        squeeze, excite = nn.Conv2d(channels, channels // 2, 1), nn.Conv2d(channels // 2, channels, 1)
        return [squeeze, nn.ReLU(inplace=True), excite, nn.Sigmoid()]


class _UShape(nn.Module):
    """Encoder and decoder of blocks with added skips; any height and width are padded within."""

    block: Callable[[int], _Block]
    """Makes a block of so many channels."""

    def __init__(
        self,
        img_channel: int = 3,
        width: int = 32,
        middle_blk_num: int = 12,
        enc_blk_nums: Sequence[int] = (2, 2, 4, 8),
        dec_blk_nums: Sequence[int] = (2, 2, 2, 2),
    ) -> None:
        super().__init__()
        if len(enc_blk_nums) != len(dec_blk_nums):
            raise ValueError(
                f'enc_blk_nums and dec_blk_nums must have equal length, got {enc_blk_nums} and {dec_blk_nums}.'
            )
        self.image_channels = img_channel
        self.size_multiple = 2 ** len(enc_blk_nums)

        def blocks(channels: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(self.block(channels) for _ in range(count)))

        encoder_widths = [width * 2**scale for scale in range(len(enc_blk_nums))]
        decoder_widths = encoder_widths[::-1]
        self.intro = nn.Conv2d(img_channel, width, 3, padding=1)
        self.ending = nn.Conv2d(width, img_channel, 3, padding=1)
        self.encoders = nn.ModuleList(blocks(c, count) for c, count in zip(encoder_widths, enc_blk_nums, strict=True))
        self.decoders = nn.ModuleList(blocks(c, count) for c, count in zip(decoder_widths, dec_blk_nums, strict=True))
        self.middle_blks = blocks(width * self.size_multiple, middle_blk_num)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * c, 4 * c, 1, bias=False), nn.PixelShuffle(2)) for c in decoder_widths
        )
        self.downs = nn.ModuleList(nn.Conv2d(c, 2 * c, 2, stride=2) for c in encoder_widths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Denoise images.

        Args:
            x: Images, (N, C, H, W), in [0, 1]. Sizes that are no multiple of `size_multiple` are padded with zeros
                at the bottom and the right, as in the official code.

        Returns:
            Denoised images, (N, C, H, W), not clipped.
        """
        height, width = x.shape[-2:]
        bottom, right = -height % self.size_multiple, -width % self.size_multiple
        if bottom or right:
            x = F.pad(x, (0, right, 0, bottom))

        features = self.intro(x)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            features = encoder(features)
            skips.append(features)
            features = down(features)
        features = self.middle_blks(features)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            features = decoder(up(features) + skips.pop())
        return (self.ending(features) + x)[..., :height, :width]

    def pool_locally(self, window: int) -> None:
        """Let all channel attention average over windows instead of the whole image; see `local_mean`.

        Args:
            window: Side of the windows in pixels of the image.
        """
        deepest = len(self.encoders)
        levels = [*enumerate(self.encoders), (deepest, self.middle_blks)]
        levels += [(deepest - 1 - number, blocks) for number, blocks in enumerate(self.decoders)]
        for level, blocks in levels:
            for block in blocks.children():
                if isinstance(block, _Block):
                    block.pool_locally(max(1, window // 2**level))


class NAFNet(_UShape):
    """NAFNet: blocks of SimpleGate and simplified channel attention.

    Paper: Chen et al., "Simple Baselines for Image Restoration", ECCV 2022, arXiv 2204.04676. Behaviour and
    state-dict names are those of `basicsr/models/archs/NAFNet_arch.py` in megvii-research/NAFNet. The defaults are
    its SIDD network of width 32 (29.2 M parameters).

    Args:
        img_channel: Channels of input and output.
        width: Channels at full resolution; doubled at each coarser scale.
        middle_blk_num: Blocks at the coarsest scale.
        enc_blk_nums: Blocks of the encoder per scale, finest first; each scale halves height and width.
        dec_blk_nums: Blocks of the decoder per scale, coarsest first; as many numbers as `enc_blk_nums`.
    """

    block = NAFBlock


class NAFNetBaseline(_UShape):
    """The baseline of the NAFNet paper: blocks of GELU and squeeze-and-excitation.

    This is what the AMSNet paper calls NAFNet. Paper: Chen et al., "Simple Baselines for Image Restoration", ECCV
    2022, arXiv 2204.04676. Behaviour and state-dict names are those of `NAFNetBase` in the AMSNet repository
    (lll143653/amsnet), which follows `basicsr/models/archs/Baseline_arch.py` of megvii-research/NAFNet. The defaults
    are AMSNet's full size (29.1 M parameters).

    Args:
        img_channel: Channels of input and output.
        width: Channels at full resolution; doubled at each coarser scale.
        middle_blk_num: Blocks at the coarsest scale.
        enc_blk_nums: Blocks of the encoder per scale, finest first; each scale halves height and width.
        dec_blk_nums: Blocks of the decoder per scale, coarsest first; as many numbers as `enc_blk_nums`.
        dw_expand: Width of a block's spatial branch as a multiple of its channels.
        ffn_expand: Width of a block's pointwise branch as a multiple of its channels.
    """

    def __init__(
        self,
        img_channel: int = 3,
        width: int = 32,
        middle_blk_num: int = 12,
        enc_blk_nums: Sequence[int] = (2, 2, 4, 8),
        dec_blk_nums: Sequence[int] = (2, 2, 2, 2),
        dw_expand: int = 1,
        ffn_expand: int = 2,
    ) -> None:
        self.block = partial(BaselineBlock, dw_expand=dw_expand, ffn_expand=ffn_expand)
        super().__init__(img_channel, width, middle_blk_num, enc_blk_nums, dec_blk_nums)
