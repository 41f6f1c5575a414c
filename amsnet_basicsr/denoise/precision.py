"""What the network computes in, and where bfloat16 will do: `precision='auto'`."""

from collections.abc import Callable

import torch

from amsnet_basicsr.denoise.detail import detailed_part

PRECISIONS = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}
#: Side of the part of an image on which bfloat16 is tried, and the fewest pixels of an image that is worth the trial.
TRIAL_SIDE, FEWEST_PIXELS = 256, 2**19


def bfloat16_will_do(
    image: torch.Tensor, device: torch.device, denoise: Callable[[torch.Tensor, str], torch.Tensor]
) -> bool:
    """Whether bfloat16 is faster than float32 for an image, and within one level of it where that was tried.

    Only processors with instructions for it gain by it: on a GPU float32 is TF32, and the student is hardly faster in
    bfloat16. And only 8 bits hide its rounding.

    Args:
        image: Noisy image, (C, H, W).
        device: Where the network runs.
        denoise: Denoises a part of the image in a precision, at most 256×256 pixels.
    """
    in_hardware = getattr(torch.cpu, '_is_avx512_bf16_supported', bool)  # PyTorch tells by no public name
    if device.type != 'cpu' or image.dtype != torch.uint8 or image[0].numel() < FEWEST_PIXELS or not in_hardware():
        return False
    part = _most_detailed_part(image)
    exact, rough = (denoise(part, precision).int() for precision in ('float32', 'bfloat16'))
    return bool((exact - rough).abs().max() <= 1)


def _most_detailed_part(image: torch.Tensor) -> torch.Tensor:
    """Return the part of an image (C, H, W) with the most detail and noise."""
    small = image[:, ::4, ::4].permute(1, 2, 0).cpu().numpy()
    size = image.shape[1], image.shape[2]
    top, left, height, width = detailed_part(small, size, (TRIAL_SIDE, TRIAL_SIDE))
    return image[:, top : top + height, left : left + width]
