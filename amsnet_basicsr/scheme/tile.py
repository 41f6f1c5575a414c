"""Run over large images in overlapping, blended tiles, in bounded memory."""

from collections.abc import Callable, Iterator, Mapping

import torch

#: Runs on a region (N, C, h, w) that lies at a row and a column of the image.
RunRegion = Callable[[torch.Tensor, int, int], torch.Tensor]
#: Gives rows `top` to `bottom`, columns `left` to `right` of the image, (N, C, h, w).
ReadRegion = Callable[[int, int, int, int], torch.Tensor]
#: Takes finished rows, (N, C, h, W), from row `top` on.
WriteRows = Callable[[torch.Tensor, int], None]
#: Most rows written at once, since writing copies them.
_ROWS = 128


def region_starts(length: int, size: int, overlap: int, align: int) -> list[int]:
    """Return where regions start along a side of `length` pixels; the last one ends with it and may be shorter.

    `size` and `overlap` are multiples of `align`, and so is every start.
    """
    last = max(-(-(length - size) // align), 0) * align
    return [*range(0, last, size - overlap), last]


def even_size(length: int, size: int, overlap: int, align: int) -> int:
    """Return the smallest multiple of `align` for which no more regions are needed than for `size`.

    Shared pixels are computed twice, so regions should share no more than necessary.
    """
    if length <= size:
        return size
    count = len(region_starts(length, size, overlap, align))
    enough = -(-(length - overlap) // count) + overlap
    return min(size, enough + -enough % align)


def blend_weight(start: int, stop: int, length: int, overlap: int, like: torch.Tensor) -> torch.Tensor:
    """Weights of a region along one side: zero at cut edges, then a rise, one inside and at the image's border.

    Args:
        start: First pixel of the region.
        stop: End of the region.
        length: Length of the image's side.
        overlap: Pixels shared with each neighbour. The outer three eighths, which lack context, get no weight; the two
            eighths after them blend.
        like: Gives type and device.

    Returns:
        Weights, (stop − start).
    """
    position = torch.arange(stop - start, dtype=like.dtype, device=like.device) + 0.5
    weight = torch.ones_like(position)
    dropped, rise = overlap * 3 / 8, max(overlap / 4, 1)
    if start > 0:
        weight = torch.minimum(weight, (position - dropped) / rise)
    if stop < length:
        weight = torch.minimum(weight, (stop - start - position - dropped) / rise)
    return weight.clamp(0, 1)


def run_in_regions(
    run: RunRegion,
    read: ReadRegion,
    write: WriteRows,
    height: int,
    width: int,
    size: int,
    overlap: int,
    align: int = 1,
) -> Iterator[int]:
    """Run over an image region by region; rows are written as soon as no further region touches them.

    The result equals that of the whole image for networks that look no further than three eighths of the overlap, and
    has no seam for those that do.

    Args:
        run: Maps a region to its result of the same shape.
        read: Reads a region.
        write: Takes finished rows, in order and each once.
        height: Height of the image.
        width: Width of the image.
        size: Largest side of a region; 0 takes the whole image at once. As many as are needed share the image evenly.
        overlap: Pixels that neighbouring regions share, less than `size`.
        align: What starts of regions are multiples of. `size` and `overlap` are rounded up to it. With the network's
            own grid in it, a pixel lies in a region as it lies in the whole image.

    Yields:
        The number of finished regions' pixels, counting each pixel of the image once, after each region.

    Raises:
        ValueError: If regions share all of their pixels.
    """
    if not size or (height <= size and width <= size):
        whole = run(read(0, height, 0, width), 0, 0)
        for top in range(0, height, _ROWS):
            write(whole[:, :, top : top + _ROWS], top)
        yield height * width
        return
    size, overlap = size + -size % align, overlap + -overlap % align
    if not 0 <= overlap < size:
        raise ValueError(f'an overlap of {overlap} needs regions larger than {size}')
    tall, wide = (even_size(length, size, overlap, align) for length in (height, width))
    rows, columns = region_starts(height, tall, overlap, align), region_starts(width, wide, overlap, align)
    carried: tuple[torch.Tensor, torch.Tensor] | None = None
    for number, top in enumerate(rows):
        bottom = min(top + tall, height)
        finished = rows[number + 1] if number + 1 < len(rows) else height
        total = weights = torch.empty(0)
        for index, left in enumerate(columns):
            right = min(left + wide, width)
            result = run(read(top, bottom, left, right), top, left)
            result = result.to(torch.promote_types(result.dtype, torch.float32))
            if not index:
                total = result.new_zeros((*result.shape[:2], bottom - top, width))
                weights = result.new_zeros((1, 1, bottom - top, width))
                if carried is not None:
                    kept = carried[0].shape[2]
                    total[:, :, :kept], weights[:, :, :kept] = carried
            weight = (
                blend_weight(top, bottom, height, overlap, result)[:, None]
                * blend_weight(left, right, width, overlap, result)[None]
            )
            total[..., left:right] += result * weight
            weights[..., left:right] += weight
            del result, weight
            done_right = columns[index + 1] if index + 1 < len(columns) else width
            yield top * width + (finished - top) * done_right
        split = finished - top
        for row in range(0, split, _ROWS):
            part = slice(row, min(row + _ROWS, split))
            write(total[:, :, part] / weights[:, :, part], top + row)
        # Copies, as views would keep all rows in memory.
        carried = total[:, :, split:].clone(), weights[:, :, split:].clone()
        del total, weights


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
    net: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, size: int, overlap: int = 64, align: int = 1
) -> torch.Tensor:
    """Run a network over images tile by tile; see `run_in_regions`.

    Args:
        net: Maps (N, C, H, W) to (N, C, H, W).
        x: Images, (N, C, H, W).
        size: Largest side of a tile in pixels of `x`.
        overlap: Pixels shared by neighbouring tiles, less than `size`.
        align: The network's size multiple.

    Returns:
        The output of the network, (N, C, H, W).
    """
    if x.shape[-2] <= size and x.shape[-1] <= size:
        return net(x)
    rows: list[torch.Tensor] = []

    def read(top: int, bottom: int, left: int, right: int) -> torch.Tensor:
        return x[..., top:bottom, left:right]

    def write(part: torch.Tensor, top: int) -> None:
        rows.append(part)

    height, width = x.shape[-2:]
    for _ in run_in_regions(lambda tile, top, left: net(tile), read, write, height, width, size, overlap, align):
        pass
    return torch.cat(rows, dim=2)
