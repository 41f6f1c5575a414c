"""Pixel values of any type as float32 in [0, 1], and back."""

import torch


def to_float(x: torch.Tensor) -> torch.Tensor:
    """Convert uint8, uint16 or floating point to float32, integers by their largest value."""
    if x.is_floating_point():
        return x.float()
    return x.float() / torch.iinfo(x.dtype).max


def from_float(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Convert values in [0, 1] to a type; integers are rounded."""
    if dtype.is_floating_point:
        return x.to(dtype)
    # By way of int32: not every type of integer can be converted to on every device.
    return (x * torch.iinfo(dtype).max).round().to(torch.int32).to(dtype)
