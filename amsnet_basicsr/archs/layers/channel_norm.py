"""Layer normalisation of image features over their channels, shared by Restormer and NAFNet."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable


def channel_norm(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> torch.Tensor:
    """Normalise each pixel's feature vector over the channels.

    With a bias this is layer normalisation. Without one the mean is not subtracted, only divided by the standard
    deviation: Restormer's "BiasFree" kind, for which scaling the input leaves the output as it is but a constant
    offset survives.

    Args:
        x: Features, (N, C, H, W), in any memory layout; the layout is kept.
        weight: Gain per channel, (C,).
        bias: Offset per channel, (C,).
        eps: Added to the variance.

    Returns:
        Normalised features, (N, C, H, W).
    """
    if x.is_contiguous(memory_format=torch.channels_last):
        # Channels are contiguous, so the fused kernels read the pixels without a copy.
        pixels = x.permute(0, 2, 3, 1)
        if bias is not None:
            return F.layer_norm(pixels, weight.shape, weight, bias, eps).permute(0, 3, 1, 2)
        # Compilers fuse the plain form themselves, and exporters know no other.
        if not (torch.compiler.is_compiling() or torch.jit.is_tracing()):
            return _BiasFreeNorm.apply(pixels.to(weight.dtype), weight, eps).permute(0, 3, 1, 2)
    gain = weight.view(1, -1, 1, 1)
    if bias is None:
        return x * torch.rsqrt(x.var(dim=1, correction=0, keepdim=True) + eps) * gain
    variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + eps) * gain + bias.view(1, -1, 1, 1)


class _BiasFreeNorm(torch.autograd.Function):
    """Division by the standard deviation over the last axis, by the kernels of layer normalisation.

    With the normalised x̂ = (x − μ)·r, r = 1/σ, the result x·r·w is x̂·w + μ·r·w. Its gradient by x is that of layer
    normalisation plus r·m·(1 − (x − μ)·μ·r²), where m is the mean of gradient·w over the channels.
    """

    @staticmethod
    def forward(ctx: Any, pixels: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        out, mean, rstd = torch.native_layer_norm(pixels, weight.shape, weight, None, eps)
        ctx.save_for_backward(pixels, mean, rstd, weight)
        return out.addcmul_(mean * rstd, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        pixels, mean, rstd, weight = ctx.saved_tensors
        by_pixels, by_weight, _ = torch.ops.aten.native_layer_norm_backward(
            gradient, pixels, weight.shape, mean, rstd, weight, None, [ctx.needs_input_grad[0], True, False]
        )
        rows, offset = gradient.reshape(-1, weight.numel()), mean * rstd
        if by_pixels is not None:
            scaled = (rows @ weight).view_as(mean).mul_(rstd / weight.numel())
            by_pixels.addcmul_(scaled * offset * rstd, pixels, value=-1).add_(scaled * (1 + offset * offset))
        return by_pixels, by_weight + offset.view(-1) @ rows, None


class ChannelNorm(nn.Module):
    """`channel_norm` with learned gain and offset.

    Args:
        channels: Number of channels C.
        bias: Whether to subtract the mean and add an offset.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, bias: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise features (N, C, H, W) over C."""
        return channel_norm(x, self.weight, self.bias, self.eps)
