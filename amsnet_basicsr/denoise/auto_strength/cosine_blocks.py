"""Blocks of 8×8 pixels of an image in the cosine transform, as brightness and two colours."""

import math

import torch
import torch.nn.functional as F

from amsnet_basicsr.denoise.pixels import to_float

BLOCK = 8


def _cosines() -> torch.Tensor:
    """The cosine transform of a block, (64, 64), orthonormal: a row is a frequency, a column a pixel."""
    index = torch.arange(BLOCK)
    rows = torch.cos(math.pi * (2 * index + 1) * index[:, None] / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    rows[0] /= math.sqrt(2)
    return torch.kron(rows, rows)


_COSINES = _cosines()
_COLOURS = F.normalize(torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]]))
#: Vertical and horizontal frequency of each of the 64 coefficients, 0 to 7.
DOWN, ACROSS = torch.arange(BLOCK**2) // BLOCK, torch.arange(BLOCK**2) % BLOCK


def blocks_of(image: torch.Tensor, step: int) -> torch.Tensor:
    """Blocks of an image (C, H, W), one every `step` pixels, as floats: (C, 64, blocks)."""
    blocks = image.unfold(1, BLOCK, step).unfold(2, BLOCK, step)
    return to_float(blocks).reshape(len(image), -1, BLOCK**2).transpose(1, 2)


def transform(blocks: torch.Tensor) -> torch.Tensor:
    """Cosine transform of blocks (C, 64, N); three channels become brightness and two differences."""
    if len(blocks) == 3:
        blocks = torch.einsum('dc,cpn->dpn', _COLOURS.to(blocks.device), blocks)
    return _COSINES.to(blocks.device) @ blocks


def transform_back(blocks: torch.Tensor) -> torch.Tensor:
    """The inverse of `transform`."""
    blocks = _COSINES.to(blocks.device).T @ blocks
    if len(blocks) == 3:
        blocks = torch.einsum('dc,dpn->cpn', _COLOURS.to(blocks.device), blocks)
    return blocks
