"""Plain versions of the networks: what the timings of the package's own are compared with.

The networks of the package in contiguous layout, each part that it speeds up replaced by the operations that the
official code names. Normalisation is where most of the difference lies: Restormer's moves the channels last and back,
NAFNet's is an autograd function of elementwise operations. tests/scripts/test_benchmark.py holds them to the official
outputs.
"""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from amsnet_basicsr.archs.layers.channel_norm import ChannelNorm
from amsnet_basicsr.archs.nafnet_arch import BaselineBlock, NAFBlock
from amsnet_basicsr.archs.restormer_arch import ChannelAttention, GatedFeedForward, TransformerBlock


class TokenNorm(ChannelNorm):
    """Restormer's normalisation: (N, C, H, W) to tokens (N, H·W, C), normalised over the last axis, and back."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise features (N, C, H, W) over C."""
        tokens = x.flatten(2).transpose(1, 2)
        variance = tokens.var(-1, keepdim=True, unbiased=False)
        if self.bias is None:
            tokens = tokens / torch.sqrt(variance + 1e-5) * self.weight
        else:
            tokens = (tokens - tokens.mean(-1, keepdim=True)) / torch.sqrt(variance + 1e-5) * self.weight + self.bias
        return tokens.transpose(1, 2).unflatten(2, x.shape[-2:])


class PlainAttention(ChannelAttention):
    """Restormer's attention between channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix the channels of features (N, C, H, W)."""
        n, c, h, w = x.shape
        parts = self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1)
        query, key, value = (part.reshape(n, self.heads, c // self.heads, h * w) for part in parts)
        query, key = F.normalize(query, dim=-1), F.normalize(key, dim=-1)
        weights = (query @ key.transpose(-2, -1) * self.temperature).softmax(dim=-1)
        return self.project_out((weights @ value).reshape(n, c, h, w))


class PlainFeedForward(GatedFeedForward):
    """Restormer's gated feed-forward network."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform features (N, C, H, W)."""
        gate, content = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        return self.project_out(F.gelu(gate) * content)


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


class PlaneNorm(ChannelNorm):
    """NAFNet's layer normalisation of (N, C, H, W) over C by `_PlaneNormFunction`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise features (N, C, H, W) over C."""
        return _PlaneNormFunction.apply(x, self.weight, self.bias, 1e-6)


class _PlainBlock:
    """Block of NAFNet or of its baseline, whose gains multiply the features."""

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        """Transform features (N, C, H, W)."""
        y = self.activation(self.conv2(self.conv1(self.norm1(x))))
        y = self.conv3(y * self.get_submodule(self.attention_name)(y))
        x = x + y * self.beta
        return x + self.conv5(self.activation(self.conv4(self.norm2(x)))) * self.gamma


class PlainNAFBlock(_PlainBlock, NAFBlock):
    """NAFNet's block."""


class PlainBaselineBlock(_PlainBlock, BaselineBlock):
    """The block of NAFNet's baseline."""


_PLAIN = {
    ChannelAttention: PlainAttention,
    GatedFeedForward: PlainFeedForward,
    NAFBlock: PlainNAFBlock,
    BaselineBlock: PlainBaselineBlock,
}


def reference_net(net: nn.Module) -> nn.Module:
    """Copy a network of the package into its plain version, of the same weights, in contiguous layout.

    UNet, DnCNN, DBSNl and DeamNet are plain themselves.
    """
    plain = copy.deepcopy(net).to(memory_format=torch.contiguous_format)
    for module in list(plain.modules()):
        if isinstance(module, TransformerBlock | NAFBlock | BaselineBlock):
            for part in module.modules():
                if type(part) is ChannelNorm:
                    part.__class__ = TokenNorm if isinstance(module, TransformerBlock) else PlaneNorm
        if type(module) in _PLAIN:
            module.__class__ = _PLAIN[type(module)]
    return plain
