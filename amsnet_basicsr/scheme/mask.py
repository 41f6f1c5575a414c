"""Random partitions of the pixels into k branches, each of which hides its own share (Eq. 2 and 5)."""

import torch


def random_partition(
    shape: tuple[int, int, int, int],
    branches: int,
    generator: torch.Generator | None,
    per_channel: bool = False,
) -> torch.Tensor:
    """Assign every pixel at random to the one branch that hides it.

    One index per pixel satisfies Eq. 5 by construction: each pixel is hidden in exactly one branch and visible in the
    k − 1 others, and the shares are equal on average. With k = 2 a branch hides each pixel with probability 1/2, as the
    official code does (paper: about 50 %).

    Args:
        shape: Shape (N, C, H, W) of the images to mask.
        branches: Number of branches k ≥ 2.
        generator: Source of randomness; None uses torch's global one. The draw is made on its device.
        per_channel: Draw for each channel separately, as the paper's M of c×h×w suggests. The official code, and so the
            default, shares one mask among the channels.

    Returns:
        Branch index of each pixel, uint8, (N, 1, H, W), or (N, C, H, W) if `per_channel`.

    Raises:
        ValueError: If `branches` is not in 2…255.
    """
    if not 2 <= branches <= 255:
        raise ValueError(f'branches must be between 2 and 255, got {branches}: one branch alone would hide every pixel')
    n, c, h, w = shape
    device = generator.device if generator is not None else None
    size = (n, c if per_channel else 1, h, w)
    return torch.randint(branches, size, generator=generator, dtype=torch.uint8, device=device)


def hide(x: torch.Tensor, index: torch.Tensor, branch: int) -> torch.Tensor:
    """Set the pixels of one branch to zero: M ⊙ I of Eq. 2.

    Args:
        x: Images, (N, C, H, W).
        index: Branch index per pixel, (N, 1, H, W) or (N, C, H, W), from `random_partition`.
        branch: The branch whose pixels are hidden.

    Returns:
        The images with the pixels where `index == branch` set to zero, (N, C, H, W).
    """
    return x.masked_fill(index == branch, 0)
