"""The multi-mask denoising block: k complementary branches over one network (Eq. 6 and 7)."""

from collections.abc import Callable

import torch


def multi_branch_denoise(
    net: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    index: torch.Tensor,
    branches: int,
    max_pixels: int | None = None,
) -> torch.Tensor:
    """Predict every pixel from the pixels of the other branches: Σ_i M~^i ⊙ D_E(M^i ⊙ I_s) (Eq. 6).

    The branches are stacked into the batch and run through the network in chunks, so that memory is bounded whatever
    the number of images and branches. The result doesn't depend on the chunks.

    Args:
        net: The denoiser D_E, maps (N, C, H, W) to (N, C, H, W).
        x: Images or sub-images, (N, C, H, W), values in [0, 1].
        index: Branch index per pixel, (N, 1, H, W) or (N, C, H, W); branch i hides the pixels whose index is i. A
            shorter one, (M, …), serves image n with its entry n mod M.
        branches: Number of branches k.
        max_pixels: Most pixels (images × H × W) in one pass of the network, but at least one image. None runs each
            branch whole.

    Returns:
        The predictions, (N, C, H, W).
    """
    n, _, h, w = x.shape
    total = n * branches
    step = n if max_pixels is None else max(1, min(total, max_pixels // (h * w)))
    out = torch.zeros_like(x)
    for start in range(0, total, step):
        item = torch.arange(start, min(start + step, total), device=x.device)  # image item % n under branch item // n
        image, branch = item % n, (item // n).view(-1, 1, 1, 1)
        hidden = index[image % index.shape[0]] == branch
        prediction = net(x[image].masked_fill(hidden, 0))
        # A chunk may hold an image under several branches: each adds its own, disjoint, pixels.
        out = out.index_add(0, image, torch.where(hidden, prediction, 0).to(out.dtype))
    return out
