"""A random field of a whole image, packed until parts of it are needed."""

import numpy as np
import torch


class PackedField:
    """Small integers, (1, C, H, W), kept as bits if they are all 0 or 1.

    Args:
        values: The field, bool or uint8, on the CPU.
    """

    def __init__(self, values: torch.Tensor) -> None:
        array = values.numpy().astype(np.uint8, copy=False)
        self._packed = bool(array.max(initial=0) <= 1)
        self._array = np.packbits(array, axis=3) if self._packed else array

    def part(self, top: int, bottom: int, left: int, right: int) -> torch.Tensor:
        """Return rows `top` to `bottom`, columns `left` to `right`, uint8."""
        if not self._packed:
            return torch.from_numpy(np.ascontiguousarray(self._array[..., top:bottom, left:right]))
        first = left // 8
        bits = np.unpackbits(self._array[:, :, top:bottom, first : -(-right // 8)], axis=3)
        return torch.from_numpy(np.ascontiguousarray(bits[..., left - 8 * first : right - 8 * first]))
