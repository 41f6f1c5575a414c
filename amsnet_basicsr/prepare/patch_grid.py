"""Where patches lie in an image."""

from collections.abc import Iterator


def patch_starts(length: int, size: int, step: int) -> range | list[int]:
    """Positions of patches along one side, the last one flush with the border.

    Args:
        length: Length of the side in pixels, at least `size`.
        size: Side of a patch in pixels.
        step: Distance between patches in pixels.

    Returns:
        The first pixels of the patches, rising.
    """
    last = length - size
    regular = range(0, last + 1, step)
    return regular if last % step == 0 else [*regular, last]


def patch_count(height: int, width: int, size: int, step: int) -> int:
    """Count the patches of an image.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        size: Side of a patch in pixels.
        step: Distance between patches in pixels.

    Returns:
        The number of patches.
    """
    rows, columns = (-(-(length - size) // step) + 1 for length in (height, width))
    return rows * columns


def patch_offsets(height: int, width: int, size: int, step: int) -> Iterator[tuple[int, int]]:
    """Go through the patches of an image, row by row.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        size: Side of a patch in pixels.
        step: Distance between patches in pixels.

    Yields:
        Top and left pixel of each patch.
    """
    for top in patch_starts(height, size, step):
        for left in patch_starts(width, size, step):
            yield top, left
