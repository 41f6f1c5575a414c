"""What the network computes in, and where bfloat16 will do: `precision='auto'`."""

import torch

from amsnet_basicsr.denoise.detail import detailed_part

PRECISIONS = {'float32': torch.float32, 'bfloat16': torch.bfloat16, 'float16': torch.float16}
#: Side of the part of an image on which bfloat16 is tried, and the fewest pixels of an image that is worth the trial.
TRIAL_SIDE, FEWEST_PIXELS = 256, 2**19


def bfloat16_may_pay(image: torch.Tensor, device: torch.device) -> bool:
    """Whether trying bfloat16 on an image (C, H, W) is worth the time.

    Only processors with instructions for it gain by it: on a GPU float32 is TF32, and the student is
    hardly faster in bfloat16. And only 8 bits hide its rounding.
    """
    in_hardware = getattr(torch.cpu, '_is_avx512_bf16_supported', bool)  # PyTorch tells by no public name
    return (
        device.type == 'cpu'
        and image.dtype == torch.uint8
        and image[0].numel() >= FEWEST_PIXELS
        and bool(in_hardware())
    )


def trial_part(image: torch.Tensor) -> torch.Tensor:
    """Return the part of an image (C, H, W) with the most detail and noise, of at most 256×256 pixels."""
    small = image[:, ::4, ::4].permute(1, 2, 0).cpu().numpy()
    size = image.shape[1], image.shape[2]
    top, left, height, width = detailed_part(small, size, (TRIAL_SIDE, TRIAL_SIDE))
    return image[:, top : top + height, left : left + width]
