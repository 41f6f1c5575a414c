"""Networks whose training went wrong."""

import torch
from torch import nn


def bad_tensors(net: nn.Module) -> list[str]:
    """Name what shows that training went wrong: parameters that are NaN or infinite, buffers that are NaN.

    Buffers may be infinite, as the masks of attention are.
    """
    buffers = {name for name, _ in net.named_buffers()}
    return [name for name, value in net.state_dict().items() if _is_bad(value, name in buffers)]


def _is_bad(value: torch.Tensor, is_buffer: bool) -> bool:
    return value.is_floating_point() and bool((value.isnan() if is_buffer else ~value.isfinite()).any())
