"""The official procedure, step by step: what the timings of the package's training and denoising are compared with.

In training all masks are built and one branch is run. In denoising the branches run one after the other, each over all
sub-images, and the samples of R3 go through the network as one batch, however large it gets.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

Net = Callable[[torch.Tensor], torch.Tensor]


def split(x: torch.Tensor, stride: int) -> torch.Tensor:
    """Pixel-shuffle downsampling: (N, C, H, W) → (N·s², C, H/s, W/s)."""
    n, c, h, w = x.shape
    parts = F.pixel_unshuffle(x, stride).view(n, c, stride**2, h // stride, w // stride)
    return parts.transpose(1, 2).reshape(-1, c, h // stride, w // stride)


def join(parts: torch.Tensor, stride: int) -> torch.Tensor:
    """The inverse of `split`."""
    m, c, h, w = parts.shape
    stacked = parts.view(m // stride**2, stride**2, c, h, w).transpose(1, 2)
    return F.pixel_shuffle(stacked.reshape(m // stride**2, c * stride**2, h, w), stride)


def padded(net: Net, x: torch.Tensor, multiple: int) -> torch.Tensor:
    """Run a network on images whose sides are no multiple of what it needs."""
    h, w = x.shape[-2:]
    return net(F.pad(x, (0, -w % multiple, 0, -h % multiple), 'reflect'))[..., :h, :w]


def masks_of(index: torch.Tensor, branches: int) -> list[torch.Tensor]:
    """Masks of all branches: 1 visible, 0 hidden."""
    return [(index != branch).float() for branch in range(branches)]


def masked_denoise(net: Net, noisy: torch.Tensor, index: torch.Tensor, stride: int, branches: int = 2) -> torch.Tensor:
    """Restore every pixel by the branch that hides it, the branches one after the other (Eq. 6 to 8)."""
    parts = split(noisy, stride)
    restored = torch.zeros_like(parts)
    for mask in masks_of(index, branches):
        restored = restored + net(parts * mask) * (1 - mask)
    return join(restored, stride)


@torch.no_grad()
def denoise(
    net: Net,
    noisy: torch.Tensor,
    index: torch.Tensor,
    replacements: list[tuple[torch.Tensor, torch.Tensor]],
    stride: int = 2,
) -> torch.Tensor:
    """Denoise one image, with R3 if there are replacements."""
    denoised = masked_denoise(net, noisy, index, stride)
    if not replacements:
        return denoised
    mixed = []
    for which, _ in replacements:
        replaced = which.float()
        mixed.append(replaced * noisy + (1 - replaced) * denoised)
    indices = torch.cat([index for _, index in replacements])
    return masked_denoise(net, torch.cat(mixed), indices, 1).mean(0, keepdim=True)


class TrainingStep:
    """A training step as written in most training loops.

    Args:
        net: The plain network.
        multiple: Its size multiple.
        lr: Learning rate.
        ema_decay: Decay of the averaged weights.
        stride: Pixel-downsampling stride.
    """

    def __init__(self, net: nn.Module, multiple: int, lr: float, ema_decay: float = 0.999, stride: int = 5) -> None:
        self.net, self.multiple, self.stride, self.decay = net, multiple, stride, ema_decay
        self.average = {name: value.detach().clone() for name, value in net.named_parameters()}
        self.optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0, foreach=False, fused=False)

    def __call__(self, noisy: torch.Tensor, index: torch.Tensor) -> float:
        """Do a step."""
        self.optimizer.zero_grad()
        parts = split(noisy, self.stride)
        mask, _ = masks_of(index, 2)
        prediction = padded(self.net, parts * mask, self.multiple)
        hidden = (1 - mask).expand_as(parts)
        loss = ((prediction - parts) * hidden).abs().sum() / hidden.sum()
        loss.backward()
        self.optimizer.step()
        value = loss.item()
        with torch.no_grad():
            for name, parameter in self.net.named_parameters():
                self.average[name].mul_(self.decay).add_(parameter, alpha=1 - self.decay)
        return value
