"""Layer normalisation of image features over their channels, shared by Restormer and NAFNet."""

import torch
import torch.nn.functional as F
from torch import nn


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
    if bias is not None and x.is_contiguous(memory_format=torch.channels_last):
        # The channels lie side by side, so the fused kernel reads the pixels without a copy.
        return F.layer_norm(x.permute(0, 2, 3, 1), weight.shape, weight, bias, eps).permute(0, 3, 1, 2)
    gain = weight.view(1, -1, 1, 1)
    if bias is None:
        return x * torch.rsqrt(x.var(dim=1, correction=0, keepdim=True) + eps) * gain
    variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + eps) * gain + bias.view(1, -1, 1, 1)


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
