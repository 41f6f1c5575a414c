"""Pad images of any size to networks that need a multiple of something."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

#: Multiples tried for networks that don't state theirs.
_CANDIDATES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 48, 64, 128)
_PRIMES = (11, 13, 17, 19, 23, 29, 31, 37, 41)


def pad_to_multiple(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """Extend images to the right and below so that both sides are divisible by `multiple`.

    Reflection keeps the statistics of the noise; where an image is too small to reflect that far, its border is
    repeated instead.

    Args:
        x: Images, (N, C, H, W), of any size from 1×1 up.
        multiple: What both sides must be divisible by.

    Returns:
        Images, (N, C, H′, W′), whose top left H×W pixels are `x`; `x` itself if nothing is missing.
    """
    h, w = x.shape[-2:]
    right, bottom = -w % multiple, -h % multiple
    if not right and not bottom:
        return x
    mode = 'reflect' if right < w and bottom < h else 'replicate'
    return F.pad(x, (0, right, 0, bottom), mode)


def same_size_forward(net: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, multiple: int = 1) -> torch.Tensor:
    """Run a network on images of any size: pad to what it needs, crop back to the input size.

    Args:
        net: Maps (N, C, H, W) to (N, C, H, W) if H and W are divisible by `multiple`.
        x: Images, (N, C, H, W).
        multiple: The network's size multiple.

    Returns:
        The network's output, (N, C, H, W).
    """
    h, w = x.shape[-2:]
    return net(pad_to_multiple(x, multiple))[..., :h, :w]


def image_channels(net: nn.Module) -> int:
    """Find how many channels a network's images have: what it states, else what it is seen to work with, else 3.

    A network states it by an attribute `image_channels`. Others are run once on small zero images.

    Args:
        net: A network that maps (N, C, H, W) to (N, C, H, W), C 3, 1 or 4.

    Returns:
        The number of channels C.
    """
    stated = getattr(net, 'image_channels', None)
    if stated is not None:
        return int(stated)
    try:
        return seen_to_work(net)[0]
    except ValueError:  # what is wrong with it shows when it is used
        return 3


def required_multiple(net: nn.Module) -> int:
    """Find the size multiple a network needs: what it states, else the smallest that it is seen to work with.

    A network states it by an attribute `size_multiple`. Others, such as BasicSR's own, are run once on small zero
    images, in evaluation mode, until one comes back in its own size.

    Args:
        net: A network that maps (N, C, H, W) to (N, C, H, W).

    Returns:
        The multiple, 1 if any size will do.

    Raises:
        ValueError: If no size works; the message holds what the network said or returned.
    """
    stated = getattr(net, 'size_multiple', None)
    return int(stated) if stated is not None else seen_to_work(net)[1]


def channels_and_multiple(net: nn.Module) -> tuple[int, int]:
    """Find `image_channels` and `required_multiple` of a network in one trial; a ValueError as the latter raises it."""
    multiple = getattr(net, 'size_multiple', None)
    return seen_to_work(net) if multiple is None else (image_channels(net), int(multiple))


def seen_to_work(net: nn.Module) -> tuple[int, int]:
    """Run a network until an image comes back in its own size.

    Args:
        net: A network that maps (N, C, H, W) to (N, C, H, W).

    Returns:
        The number of channels and the size multiple, those that it states if it does.

    Raises:
        ValueError: If no size works; the message holds what the network said or returned.
    """
    stated, multiple = getattr(net, 'image_channels', None), getattr(net, 'size_multiple', None)
    problem = None
    for channels in (3, 1, 4) if stated is None else (stated,):
        try:
            return channels, _working_multiple(net, channels, _CANDIDATES if multiple is None else (multiple,))
        except ValueError as error:
            problem = problem or error  # that of colour images is the most telling
    assert problem is not None
    raise problem


@torch.no_grad()
def _working_multiple(net: nn.Module, channels: int, multiples: Sequence[int]) -> int:
    parameter = next(net.parameters(), None)
    device = parameter.device if parameter is not None else None
    training = net.training
    net.eval()
    raised, resized = None, None
    try:
        for multiple in multiples:
            # A prime number of multiples across, no factor of any candidate: a network that needs more cannot pass by
            # chance. Down, just enough of them for networks with windows.
            across = next(prime for prime in _PRIMES if multiple * prime >= 40)
            shape = (1, channels, multiple * -(-32 // multiple), multiple * across)
            try:
                output = tuple(net(torch.zeros(shape, device=device)).shape)
            except Exception as error:  # a foreign network may raise anything on a wrong size
                raised = f'{type(error).__name__} at {shape}: {error}'.splitlines()[0]
                continue
            if output == shape:
                return multiple
            resized = f'{shape} became {output}'
    finally:
        net.train(training)
    name = type(net).__name__
    if resized:
        raise ValueError(
            f'{name} does not return images in the size they came in, as a denoiser must: {resized} (upscale: 1?)'
        )
    raise ValueError(
        f'{name} fails on images of every size tried, the last time with {raised}. If it needs sizes divisible by a '
        f'number other than {", ".join(map(str, _CANDIDATES))}, say so by scheme.size_multiple.'
    )
