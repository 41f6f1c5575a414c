"""Plain versions of the networks, as published: what the timings of the package's own are compared with.

Every operation is the one that the official code names, in contiguous layout. Layer normalisation is where most of the
difference lies: Restormer's moves the channels last and back, NAFNet's is an autograd function of elementwise
operations. State-dict names are the official ones, so both sides take the same weights.
"""

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from amsnet_basicsr.archs import ARCHS


class TokenNorm(nn.Module):
    """Restormer's normalisation: (N, C, H, W) to tokens (N, H·W, C), normalised over the last axis, and back."""

    def __init__(self, channels: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise features (N, C, H, W) over C."""
        tokens = x.flatten(2).transpose(1, 2)
        variance = tokens.var(-1, keepdim=True, unbiased=False)
        if self.bias is None:
            tokens = tokens / torch.sqrt(variance + 1e-5) * self.weight
        else:
            tokens = (tokens - tokens.mean(-1, keepdim=True)) / torch.sqrt(variance + 1e-5) * self.weight + self.bias
        return tokens.transpose(1, 2).unflatten(2, x.shape[-2:])


class _PlaneNormFunction(torch.autograd.Function):
    """NAFNet's normalisation with its gradient, step by step over (N, C, H, W)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        normal = (x - mean) / (variance + eps).sqrt()
        ctx.eps = eps
        ctx.save_for_backward(normal, variance, weight)
        return weight.view(1, -1, 1, 1) * normal + bias.view(1, -1, 1, 1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        normal, variance, weight = ctx.saved_tensors
        scaled = gradient * weight.view(1, -1, 1, 1)
        centred = scaled - normal * (scaled * normal).mean(1, keepdim=True) - scaled.mean(1, keepdim=True)
        axes = (0, 2, 3)
        return centred / torch.sqrt(variance + ctx.eps), (gradient * normal).sum(axes), gradient.sum(axes), None


class PlaneNorm(nn.Module):
    """Layer normalisation of (N, C, H, W) over C by `_PlaneNormFunction`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise features (N, C, H, W) over C."""
        return _PlaneNormFunction.apply(x, self.weight, self.bias, 1e-6)


class Attention(nn.Module):
    """Restormer's attention between channels."""

    def __init__(self, dim: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(dim, 3 * dim, 1, bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * dim, 3 * dim, 3, padding=1, groups=3 * dim, bias=bias)
        self.project_out = nn.Conv2d(dim, dim, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix the channels of features (N, C, H, W)."""
        n, c, h, w = x.shape
        parts = self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1)
        query, key, value = (part.reshape(n, self.heads, c // self.heads, h * w) for part in parts)
        query, key = F.normalize(query, dim=-1), F.normalize(key, dim=-1)
        weights = (query @ key.transpose(-2, -1) * self.temperature).softmax(dim=-1)
        return self.project_out((weights @ value).reshape(n, c, h, w))


class FeedForward(nn.Module):
    """Restormer's gated feed-forward network."""

    def __init__(self, dim: int, expansion: float, bias: bool) -> None:
        super().__init__()
        hidden = int(dim * expansion)
        self.project_in = nn.Conv2d(dim, 2 * hidden, 1, bias=bias)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias)
        self.project_out = nn.Conv2d(hidden, dim, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform features (N, C, H, W)."""
        gate, content = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        return self.project_out(F.gelu(gate) * content)


class TransformerBlock(nn.Module):
    """Restormer's block."""

    def __init__(self, dim: int, heads: int, expansion: float, bias: bool, norm_bias: bool) -> None:
        super().__init__()
        self.norm1 = nn.Sequential(OrderedDict(body=TokenNorm(dim, norm_bias)))
        self.attn = Attention(dim, heads, bias)
        self.norm2 = nn.Sequential(OrderedDict(body=TokenNorm(dim, norm_bias)))
        self.ffn = FeedForward(dim, expansion, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform features (N, C, H, W)."""
        x = x + self.attn(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class ReferenceRestormer(nn.Module):
    """Restormer as published; arguments of the package's `Restormer`."""

    def __init__(
        self,
        dim: int,
        num_blocks: tuple[int, ...],
        num_refinement_blocks: int,
        heads: tuple[int, ...],
        ffn_expansion_factor: float = 2.66,
        bias: bool = False,
        LayerNorm_type: str = 'BiasFree',  # noqa: N803 (the official name)
    ) -> None:
        super().__init__()

        def level(width: int, scale: int, count: int) -> nn.Sequential:
            settings = (width, heads[scale], ffn_expansion_factor, bias, LayerNorm_type == 'WithBias')
            return nn.Sequential(*(TransformerBlock(*settings) for _ in range(count)))

        def resize(width: int, out: int, shuffle: nn.Module) -> nn.Sequential:
            body = nn.Sequential(nn.Conv2d(width, out, 3, padding=1, bias=False), shuffle)
            return nn.Sequential(OrderedDict(body=body))

        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, dim, 3, padding=1, bias=False)))
        self.encoder_level1 = level(dim, 0, num_blocks[0])
        self.down1_2 = resize(dim, dim // 2, nn.PixelUnshuffle(2))
        self.encoder_level2 = level(2 * dim, 1, num_blocks[1])
        self.down2_3 = resize(2 * dim, dim, nn.PixelUnshuffle(2))
        self.encoder_level3 = level(4 * dim, 2, num_blocks[2])
        self.down3_4 = resize(4 * dim, 2 * dim, nn.PixelUnshuffle(2))
        self.latent = level(8 * dim, 3, num_blocks[3])
        self.up4_3 = resize(8 * dim, 16 * dim, nn.PixelShuffle(2))
        self.reduce_chan_level3 = nn.Conv2d(8 * dim, 4 * dim, 1, bias=bias)
        self.decoder_level3 = level(4 * dim, 2, num_blocks[2])
        self.up3_2 = resize(4 * dim, 8 * dim, nn.PixelShuffle(2))
        self.reduce_chan_level2 = nn.Conv2d(4 * dim, 2 * dim, 1, bias=bias)
        self.decoder_level2 = level(2 * dim, 1, num_blocks[1])
        self.up2_1 = resize(2 * dim, 4 * dim, nn.PixelShuffle(2))
        self.decoder_level1 = level(2 * dim, 0, num_blocks[0])
        self.refinement = level(2 * dim, 0, num_refinement_blocks)
        self.output = nn.Conv2d(2 * dim, 3, 3, padding=1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Denoise images (N, 3, H, W), H and W divisible by 8."""
        first = self.encoder_level1(self.patch_embed(x))
        second = self.encoder_level2(self.down1_2(first))
        third = self.encoder_level3(self.down2_3(second))
        y = self.up4_3(self.latent(self.down3_4(third)))
        y = self.decoder_level3(self.reduce_chan_level3(torch.cat([y, third], 1)))
        y = self.decoder_level2(self.reduce_chan_level2(torch.cat([self.up3_2(y), second], 1)))
        y = self.refinement(self.decoder_level1(torch.cat([self.up2_1(y), first], 1)))
        return self.output(y) + x


class _Gate(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = x.chunk(2, dim=1)
        return first * second


class NAFNetBlock(nn.Module):
    """Block of NAFNet (gated) or of its baseline."""

    def __init__(self, width: int, gated: bool) -> None:
        super().__init__()
        spatial, inner = (2 * width, width) if gated else (width, width)
        self.beta = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, width, 1, 1))
        self.conv1 = nn.Conv2d(width, spatial, 1)
        self.conv2 = nn.Conv2d(spatial, spatial, 3, padding=1, groups=spatial)
        self.conv3 = nn.Conv2d(inner, width, 1)
        if gated:
            self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(inner, inner, 1))
        else:
            squeeze, expand = nn.Conv2d(inner, inner // 2, 1), nn.Conv2d(inner // 2, inner, 1)
            self.se = nn.Sequential(nn.AdaptiveAvgPool2d(1), squeeze, nn.ReLU(inplace=True), expand, nn.Sigmoid())
        self.conv4 = nn.Conv2d(width, 2 * width, 1)
        self.conv5 = nn.Conv2d(width if gated else 2 * width, width, 1)
        self.norm1, self.norm2 = PlaneNorm(width), PlaneNorm(width)
        self.activation = _Gate() if gated else nn.GELU()
        self.gated = gated

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform features (N, C, H, W)."""
        y = self.activation(self.conv2(self.conv1(self.norm1(x))))
        y = self.conv3(y * (self.sca if self.gated else self.se)(y))
        x = x + y * self.beta
        return x + self.conv5(self.activation(self.conv4(self.norm2(x)))) * self.gamma


class ReferenceNAFNet(nn.Module):
    """NAFNet or its baseline as published; arguments of the package's `NAFNet`, and which of the two."""

    def __init__(
        self,
        gated: bool,
        width: int,
        middle_blk_num: int,
        enc_blk_nums: tuple[int, ...],
        dec_blk_nums: tuple[int, ...],
    ) -> None:
        super().__init__()

        def stage(channels: int, count: int) -> nn.Sequential:
            return nn.Sequential(*(NAFNetBlock(channels, gated) for _ in range(count)))

        widths = [width * 2**scale for scale in range(len(enc_blk_nums))]
        self.intro = nn.Conv2d(3, width, 3, padding=1)
        self.ending = nn.Conv2d(width, 3, 3, padding=1)
        self.encoders = nn.ModuleList(map(stage, widths, enc_blk_nums))
        self.decoders = nn.ModuleList(map(stage, widths[::-1], dec_blk_nums))
        self.middle_blks = stage(2 * widths[-1], middle_blk_num)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * c, 4 * c, 1, bias=False), nn.PixelShuffle(2)) for c in widths[::-1]
        )
        self.downs = nn.ModuleList(nn.Conv2d(c, 2 * c, 2, 2) for c in widths)
        self.multiple = 2 ** len(widths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Denoise images (N, 3, H, W) of any size."""
        h, w = x.shape[-2:]
        x = F.pad(x, (0, -w % self.multiple, 0, -h % self.multiple))
        y, skips = self.intro(x), []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(y))
            y = down(skips[-1])
        y = self.middle_blks(y)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            y = decoder(up(y) + skips.pop())
        return (self.ending(y) + x)[..., :h, :w]


def reference_net(name: str, settings: dict[str, Any], weights: dict[str, torch.Tensor]) -> nn.Module:
    """Build the plain version of a network.

    Args:
        name: Name in `ARCHS`.
        settings: Arguments of the network.
        weights: State dict of the package's network.

    Returns:
        The network. UNet, DnCNN, DBSNl and DeamNet are plain themselves: they come as they are, in contiguous layout.
    """
    if name == 'Restormer':
        net: nn.Module = ReferenceRestormer(**settings)
    elif name in ('NAFNet', 'NAFNetBaseline'):
        net = ReferenceNAFNet(name == 'NAFNet', **settings)
    else:
        net = ARCHS[name](**settings)
    net.load_state_dict({key: value.detach().clone().contiguous() for key, value in weights.items()})
    return net
