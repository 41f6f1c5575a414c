"""Pixel-shuffle downsampling P_s and its inverse (Sec. 3.2 of the AMSNet paper)."""

import torch
from torch.nn import functional as F


def pixel_downsample(x: torch.Tensor, stride: int) -> torch.Tensor:
    """Split images into stride² sub-images of every stride-th pixel (P_s).

    Neighbouring pixels, whose noise is correlated in real images, end up in different sub-images.

    Args:
        x: Images, (N, C, H, W), H and W divisible by `stride`.
        stride: Pixel-downsampling factor s ≥ 1.

    Returns:
        Sub-images, (N·s², C, H/s, W/s); those of one image are adjacent, row offset first.

    Raises:
        ValueError: If H or W is not divisible by `stride`.
    """
    n, c, h, w = x.shape
    if stride < 1 or h % stride or w % stride:
        raise ValueError(f'an image of {h}×{w} pixels cannot be split with stride {stride}: pad it to a multiple first')
    sub = F.pixel_unshuffle(x, stride).view(n, c, stride**2, h // stride, w // stride)
    return sub.transpose(1, 2).reshape(n * stride**2, c, h // stride, w // stride)


def pixel_upsample(sub: torch.Tensor, stride: int) -> torch.Tensor:
    """Put sub-images back in place (P_s⁻¹), the inverse of `pixel_downsample`.

    Args:
        sub: Sub-images, (N·s², C, h, w), in the order of `pixel_downsample`.
        stride: Pixel-downsampling factor s ≥ 1.

    Returns:
        Images, (N, C, h·s, w·s).

    Raises:
        ValueError: If the number of sub-images is not a multiple of s².
    """
    m, c, h, w = sub.shape
    if stride < 1 or m % stride**2:
        raise ValueError(f'{m} sub-images are not whole images of {stride}² sub-images each')
    channels = sub.view(m // stride**2, stride**2, c, h, w).transpose(1, 2)
    return F.pixel_shuffle(channels.reshape(m // stride**2, c * stride**2, h, w), stride)
