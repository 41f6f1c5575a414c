"""Local instead of global means, for networks that see larger images than in training.

Chu et al., "Improving Image Restoration by Revisiting Global Information Aggregation", ECCV 2022, arXiv 2112.04491:
a network that pools globally has learned the statistics of training crops; those of a whole image are others. The mean
over a window of the crop's size around each pixel, shifted inwards at the border, brings the known statistics back
(Eq. 5 to 7).
"""

import torch
import torch.nn.functional as F
from torch import nn

#: A window is this many cells of the grid wide, or a little more: a mean over so many pixels changes slowly.
_CELLS = 20


class LocalMean(nn.Module):
    """Means over windows, on a grid of cells; has no parameters, so it can replace global average pooling.

    Args:
        window: Side of the windows in pixels. An image that is smaller is one window.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        # A power of two, so that tiles, whose starts are multiples of one, have the grid of the whole image.
        self.cell = 2 ** max((window // _CELLS).bit_length() - 1, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the means, (N, C, ⌈H/cell⌉, ⌈W/cell⌉), of features (N, C, H, W)."""
        h, w = x.shape[-2:]
        cells = F.avg_pool2d(x, self.cell, ceil_mode=True, count_include_pad=False) if self.cell > 1 else x
        return self._along(self._along(cells, 2, h), 3, w)

    def _along(self, cells: torch.Tensor, dim: int, length: int) -> torch.Tensor:
        """Average over the cells of a window along one side, by differences of their cumulative sum."""
        count = cells.shape[dim]
        number = torch.arange(count, device=cells.device)
        size = (length - number * self.cell).clamp(max=self.cell).to(cells.dtype)  # the last cell may be cut
        shape = [1, 1, 1, 1]
        shape[dim] = -1
        sums = (cells * size.view(shape)).cumsum(dim)
        sums = torch.cat([torch.zeros_like(sums.narrow(dim, 0, 1)), sums], dim)
        wide = self.window // self.cell | 1  # an odd number, so that windows are centred on their cell
        first = (number - wide // 2).clamp(min=0)
        first = torch.minimum(first, (first * 0 + count - wide).clamp(min=0))
        last = (first + wide).clamp(max=count)
        pixels = torch.minimum(last * self.cell, last * 0 + length) - first * self.cell
        return (sums.index_select(dim, last) - sums.index_select(dim, first)) / pixels.to(cells.dtype).view(shape)


def scale_by(x: torch.Tensor, factor: torch.Tensor, cell: int) -> torch.Tensor:
    """Multiply features by a factor per channel, or by one per channel and cell, interpolated between their centres.

    Args:
        x: Features, (N, C, H, W).
        factor: (N, C, 1, 1), or (N, C, ⌈H/cell⌉, ⌈W/cell⌉).
        cell: Side of a cell in pixels; 0 for a factor of the first kind.

    Returns:
        The products, (N, C, H, W).
    """
    if cell > 1:
        factor = F.interpolate(factor, scale_factor=float(cell), mode='bilinear')[..., : x.shape[-2], : x.shape[-1]]
    return x * factor
