"""Restormer, a U-shaped transformer whose attention works between channels."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from .layers.channel_norm import ChannelNorm


def _in_parts(x: torch.Tensor, pointwise: nn.Conv2d, depthwise: nn.Conv2d, parts: int) -> list[torch.Tensor]:
    """Run a pointwise and a depthwise convolution one part of the channels after the other.

    The result is `depthwise(pointwise(x)).chunk(parts, dim=1)`. But each part lies in memory by itself: in
    channels_last layout the operations that follow are several times as fast as on slices, and no gradients have to be
    put together.
    """
    nothing = (None,) * parts
    weights, kernels = pointwise.weight.chunk(parts), depthwise.weight.chunk(parts)
    offsets = pointwise.bias.chunk(parts) if pointwise.bias is not None else nothing
    kernel_offsets = depthwise.bias.chunk(parts) if depthwise.bias is not None else nothing
    return [
        F.conv2d(F.conv2d(x, weight, offset), kernel, kernel_offset, padding=1, groups=kernel.shape[0])
        for weight, offset, kernel, kernel_offset in zip(weights, offsets, kernels, kernel_offsets, strict=True)
    ]


class ChannelAttention(nn.Module):
    """Attention between the channels of each head (multi-Dconv head transposed attention, Sec. 3.1).

    Its cost is linear in the number of pixels: the attention map is (C/heads)² whatever the image size.

    Args:
        dim: Number of channels C.
        heads: Number of heads; divides C.
        bias: Whether the convolutions have one.
    """

    def __init__(self, dim: int, heads: int, bias: bool) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f'The number of channels must be divisible by the number of heads: {dim} and {heads}.')
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(dim, 3 * dim, 1, bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=bias)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix the channels of features (N, C, H, W); same shape out."""
        # (N, H·W, C) each; views in both memory layouts.
        query, key, value = (part.flatten(2).transpose(1, 2) for part in _in_parts(x, self.qkv, self.qkv_dwconv, 3))
        # The products of normalised vectors are those of the vectors by their lengths: the images stay as they are.
        # Clamped before the root, whose slope at zero is infinite; half precision would overflow.
        exact = torch.promote_types(query.dtype, torch.float32)
        lengths, key_lengths = (part.square().sum(1, dtype=exact).clamp_min(1e-24).sqrt() for part in (query, key))
        temperature: torch.Tensor = self.temperature
        if self.heads == 1:
            temperature = temperature.squeeze(0)
        else:  # (N, heads, H·W, C/heads)
            query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
            lengths, key_lengths = (part.unflatten(1, (self.heads, -1)) for part in (lengths, key_lengths))
        products = query.transpose(-2, -1) @ key / (lengths.unsqueeze(-1) * key_lengths.unsqueeze(-2))
        attention = (products * temperature).softmax(dim=-1).to(value.dtype)
        mixed = value @ attention.transpose(-2, -1)
        if self.heads > 1:
            mixed = mixed.transpose(1, 2).flatten(2)
        return self.project_out(mixed.transpose(1, 2).unflatten(2, x.shape[-2:]))


class GatedFeedForward(nn.Module):
    """Pointwise expansion in which one half gates the other (gated-Dconv feed-forward network, Sec. 3.2).

    Args:
        dim: Number of channels C.
        expansion: Width of each half as a multiple of C, rounded down.
        bias: Whether the convolutions have one.
    """

    def __init__(self, dim: int, expansion: float, bias: bool) -> None:
        super().__init__()
        hidden = int(dim * expansion)
        self.project_in = nn.Conv2d(dim, 2 * hidden, 1, bias=bias)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias)
        self.project_out = nn.Conv2d(hidden, dim, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform features (N, C, H, W); same shape out."""
        gate, content = _in_parts(x, self.project_in, self.dwconv, 2)
        return self.project_out(F.gelu(gate) * content)


class TransformerBlock(nn.Module):
    """Channel attention and gated feed-forward, each normalised before and added to its input.

    Args:
        dim: Number of channels C.
        heads: Number of attention heads.
        expansion: Expansion of the feed-forward network.
        bias: Whether the convolutions have one.
        norm_bias: Whether the normalisation subtracts the mean and adds an offset.
    """

    def __init__(self, dim: int, heads: int, expansion: float, bias: bool, norm_bias: bool) -> None:
        super().__init__()
        # The level `body` only keeps the official state-dict names.
        self.norm1 = nn.Sequential(OrderedDict(body=ChannelNorm(dim, norm_bias)))
        self.attn = ChannelAttention(dim, heads, bias)
        self.norm2 = nn.Sequential(OrderedDict(body=ChannelNorm(dim, norm_bias)))
        self.ffn = GatedFeedForward(dim, expansion, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform features (N, C, H, W); same shape out."""
        x = x + self.attn(self.norm1(x))
        return x + self.ffn(self.norm2(x))


def _downsample(dim: int) -> nn.Sequential:
    """Halve height and width, double the channels: (N, C, H, W) → (N, 2C, H/2, W/2)."""
    body = nn.Sequential(nn.Conv2d(dim, dim // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))
    return nn.Sequential(OrderedDict(body=body))


def _upsample(dim: int) -> nn.Sequential:
    """Double height and width, halve the channels: (N, C, H, W) → (N, C/2, 2H, 2W)."""
    body = nn.Sequential(nn.Conv2d(dim, 2 * dim, 3, padding=1, bias=False), nn.PixelShuffle(2))
    return nn.Sequential(OrderedDict(body=body))


class Restormer(nn.Module):
    """Restormer: four scales of transformer blocks that predict a correction to the input.

    Paper: Zamir et al., "Restormer: Efficient Transformer for High-Resolution Image Restoration", CVPR 2022,
    arXiv 2111.09881. Behaviour and state-dict names are those of the copy in the AMSNet repository
    (lll143653/amsnet), which follows `basicsr/models/archs/restormer_arch.py` of swz30/Restormer. The defaults are
    AMSNet's denoiser (26.1 M parameters). The dual-pixel variant is left out.

    Args:
        inp_channels: Channels of the input.
        out_channels: Channels of the output; equal to `inp_channels`, since the input is added.
        dim: Channels at full resolution; doubled at each coarser scale. Even.
        num_blocks: Transformer blocks per scale, finest first; four numbers.
        num_refinement_blocks: Transformer blocks at full resolution after the decoder.
        heads: Attention heads per scale, finest first; four numbers.
        ffn_expansion_factor: Width of the feed-forward networks as a multiple of their channels.
        bias: Whether convolutions have one; those that change resolution never do.
        LayerNorm_type: 'BiasFree' divides by the standard deviation only; 'WithBias' is common layer normalisation.
    """

    size_multiple = 8
    """Height and width must be multiples of this: three halvings."""

    def __init__(
        self,
        inp_channels: int = 3,
        out_channels: int = 3,
        dim: int = 48,
        num_blocks: Sequence[int] = (4, 6, 6, 8),
        num_refinement_blocks: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2.66,
        bias: bool = False,
        LayerNorm_type: Literal['BiasFree', 'WithBias'] = 'BiasFree',  # noqa: N803 (the official name)
    ) -> None:
        super().__init__()
        self.image_channels = inp_channels
        if LayerNorm_type not in ('BiasFree', 'WithBias'):
            raise ValueError(f"LayerNorm_type must be 'BiasFree' or 'WithBias', got {LayerNorm_type!r}.")
        if len(num_blocks) != 4 or len(heads) != 4:
            raise ValueError(
                f'num_blocks and heads must give one number for each of the 4 scales, got {num_blocks} and {heads}.'
            )
        if inp_channels != out_channels:
            raise ValueError(f'inp_channels and out_channels must be equal, got {inp_channels} and {out_channels}.')

        def blocks(width: int, scale: int, count: int) -> nn.Sequential:
            norm_bias = LayerNorm_type == 'WithBias'
            return nn.Sequential(
                *(TransformerBlock(width, heads[scale], ffn_expansion_factor, bias, norm_bias) for _ in range(count))
            )

        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(inp_channels, dim, 3, padding=1, bias=False)))
        self.encoder_level1 = blocks(dim, 0, num_blocks[0])
        self.down1_2 = _downsample(dim)
        self.encoder_level2 = blocks(2 * dim, 1, num_blocks[1])
        self.down2_3 = _downsample(2 * dim)
        self.encoder_level3 = blocks(4 * dim, 2, num_blocks[2])
        self.down3_4 = _downsample(4 * dim)
        self.latent = blocks(8 * dim, 3, num_blocks[3])

        self.up4_3 = _upsample(8 * dim)
        self.reduce_chan_level3 = nn.Conv2d(8 * dim, 4 * dim, 1, bias=bias)
        self.decoder_level3 = blocks(4 * dim, 2, num_blocks[2])
        self.up3_2 = _upsample(4 * dim)
        self.reduce_chan_level2 = nn.Conv2d(4 * dim, 2 * dim, 1, bias=bias)
        self.decoder_level2 = blocks(2 * dim, 1, num_blocks[1])
        # The finest decoder keeps both the upsampled and the encoder's channels: no reduction, width 2 dim.
        self.up2_1 = _upsample(2 * dim)
        self.decoder_level1 = blocks(2 * dim, 0, num_blocks[0])
        self.refinement = blocks(2 * dim, 0, num_refinement_blocks)
        self.output = nn.Conv2d(2 * dim, out_channels, 3, padding=1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Denoise images.

        Args:
            x: Images, (N, C, H, W), in [0, 1], H and W divisible by 8.

        Returns:
            Denoised images, (N, C, H, W), not clipped.
        """
        level1 = self.encoder_level1(self.patch_embed(x))
        level2 = self.encoder_level2(self.down1_2(level1))
        level3 = self.encoder_level3(self.down2_3(level2))
        features = self.latent(self.down3_4(level3))

        features = self.reduce_chan_level3(torch.cat((self.up4_3(features), level3), dim=1))
        features = self.decoder_level3(features)
        features = self.reduce_chan_level2(torch.cat((self.up3_2(features), level2), dim=1))
        features = self.decoder_level2(features)
        features = torch.cat((self.up2_1(features), level1), dim=1)
        features = self.refinement(self.decoder_level1(features))
        return self.output(features) + x
