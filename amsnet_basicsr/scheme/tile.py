"""Running a network over large images in overlapping tiles."""

from collections.abc import Callable, Iterator, Mapping

import torch


def _starts(length: int, size: int, overlap: int) -> Iterator[int]:
    """Yield where tiles start along one side, the last one flush with the end."""
    last = max(length - size, 0)
    yield from range(0, last, size - overlap)
    yield last


def _ramp(size: int, overlap: int, at_start: bool, at_end: bool, like: torch.Tensor) -> torch.Tensor:
    """Weights of a tile along one side: zero, then rising, then one, and back, but one up to the image's border."""
    weight = torch.ones(size, dtype=like.dtype, device=like.device)
    dropped = overlap // 4
    rising = overlap - 2 * dropped
    if rising:
        ramp = torch.zeros(overlap, dtype=like.dtype, device=like.device)
        # Half steps keep the two ramps of neighbours complementary, and every weight between them above zero.
        ramp[dropped : dropped + rising] = (torch.arange(rising, dtype=like.dtype, device=like.device) + 0.5) / rising
        ramp[dropped + rising :] = 1
        if not at_start:
            weight[:overlap] = ramp
        if not at_end:
            weight[size - overlap :] = torch.minimum(weight[size - overlap :], ramp.flip(0))
    return weight


def fit_tile(tile: Mapping[str, int] | None, multiple: int) -> dict[str, int] | None:
    """Round the sides of tiles up to what a network needs.

    Args:
        tile: `{'size': …, 'overlap': …}` in pixels; without an overlap, a quarter of the size, but at most 64. None for
            no tiles.
        multiple: The network's size multiple.

    Returns:
        Size and overlap, both multiples of `multiple`, or None.

    Raises:
        ValueError: If the overlap takes half of the size or more.
    """
    if tile is None:
        return None
    size = tile['size'] + -tile['size'] % multiple
    overlap = tile.get('overlap', min(64, size // 4))
    overlap += -overlap % multiple
    if not 0 <= 2 * overlap < size:
        raise ValueError(
            f'tile: an overlap of {overlap} is too much for tiles of {size} pixels: it must be less than half '
            f'(both were rounded up to multiples of {multiple}, which the network needs)'
        )
    return {'size': size, 'overlap': overlap}


def tiled_forward(
    net: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, size: int, overlap: int = 64
) -> torch.Tensor:
    """Run a network tile by tile and blend the tiles.

    Neighbouring tiles share `overlap` pixels. The outer quarter of a shared strip, where a tile lacks context, is
    dropped and the middle half is blended linearly. So the result equals that of the whole image for networks that look
    no further than `overlap // 4` pixels, and has no seam for those that do.

    Args:
        net: Maps (N, C, H, W) to (N, C, H, W).
        x: Images, (N, C, H, W).
        size: Side of a tile in pixels of `x`.
        overlap: Pixels shared by neighbouring tiles, less than `size`.

    Returns:
        The output of the network, (N, C, H, W).

    Raises:
        ValueError: If `overlap` is negative or takes half of `size` or more.
    """
    if not 0 <= 2 * overlap < size:
        raise ValueError(f'tile overlap must be from 0 to less than half the tile size {size}, got {overlap}')
    h, w = x.shape[-2:]
    if h <= size and w <= size:
        return net(x)
    total = torch.zeros_like(x)
    weights = torch.zeros((1, 1, h, w), dtype=x.dtype, device=x.device)
    for top in _starts(h, size, overlap):
        for left in _starts(w, size, overlap):
            rows, columns = slice(top, min(top + size, h)), slice(left, min(left + size, w))
            tile = net(x[..., rows, columns])
            th, tw = tile.shape[-2:]
            weight = _ramp(th, overlap, top == 0, rows.stop == h, x)[:, None] * _ramp(
                tw, overlap, left == 0, columns.stop == w, x
            )
            total[..., rows, columns] += tile * weight
            weights[..., rows, columns] += weight
    return total / weights
