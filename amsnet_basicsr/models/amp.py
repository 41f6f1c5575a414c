"""Saving time or memory in a training step: half precision, a batch in parts. Pure PyTorch, apart from any model."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import torch
from torch import nn

AMP_TYPES = {None: None, False: None, True: torch.bfloat16, 'bf16': torch.bfloat16, 'fp16': torch.float16}
"""What `train.amp` computes in; None is float32 throughout."""


class Precision:
    """Runs the network in half precision and steps an optimizer, with scaled losses where fp16 needs them.

    Weights, losses and the optimizer stay in float32. Without a type, one of `AMP_TYPES`, it does what a plain step
    does.
    """

    def __init__(self, dtype: torch.dtype | None, device: torch.device | str) -> None:
        self.dtype, self.device = dtype, torch.device(device)
        # fp16's smallest gradients would vanish; bf16 has float32's range.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype is torch.float16)

    def run(self, net: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """Run a network on float32 images in this precision; the output, for the losses, is float32 again."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            out = net(x)
        return out.float()

    def backward(self, loss: torch.Tensor) -> None:
        """Compute gradients of a float32 loss."""
        self.scaler.scale(loss).backward()

    def step(
        self, optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], clip_norm: float | None = None
    ) -> None:
        """Step the optimizer of `parameters`, after clipping the gradient's norm to `clip_norm` if given.

        With fp16, a step with gradients that overflowed is left out and the scale lowered.
        """
        if clip_norm:
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(parameters, clip_norm)
        self.scaler.step(optimizer)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """State to resume from: the scale; empty unless fp16."""
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state_dict`; that of a run in another precision is ignored."""
        if self.scaler.is_enabled() and state:
            self.scaler.load_state_dict(state)


def batch_parts(images: int, parts: int) -> list[slice]:
    """Cut a batch of so many images into at most `parts` slices of nearly equal length, whose gradients add up."""
    parts = max(1, min(parts, images))
    bounds = [images * number // parts for number in range(parts + 1)]
    return [slice(*pair) for pair in pairwise(bounds)]


def part_weights(counts: torch.Tensor) -> torch.Tensor:
    """Factors, (parts,), by which the losses of parts, each a mean over `counts` pixels, add up to that of the batch.

    They add up to 1, and are equal if nothing was counted.
    """
    total = counts.sum()
    equal = torch.full_like(counts, 1 / counts.numel(), dtype=torch.float32)
    return torch.where(total > 0, counts.float() / total.clamp(min=1), equal)
