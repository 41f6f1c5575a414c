"""Images that show how far a fit has come: rows of held-out crops, noisy | teacher | student."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from amsnet_basicsr.images import ImageData, ImageError, decode_image, write_image
from amsnet_basicsr.utils.errors import UserError

MOST_ROWS = 4
"""Crops in an image."""
_LINE, _HEADING = 4, 22
_SIDE = 256  # a crop is shown at least this large, each pixel several times if need be


def read_png(path: Path) -> np.ndarray:
    """Read a patch, RGB, (H, W, 3), uint8."""
    try:
        return decode_image(path.read_bytes(), str(path))
    except (OSError, ImageError):
        raise UserError(f'{path} is missing or damaged; --restart starts over') from None


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image, RGB, (H, W, 3), uint8, completely or not at all."""
    write_image(path, ImageData(image), overwrite=True)


def held_out(folder: Path) -> list[Path]:
    """List the held-out patches of a work folder."""
    return sorted((folder / 'patches' / 'held_out').glob('*.png'))


def held_out_rows(folder: Path) -> list[Path]:
    """Choose the held-out patches that images show: those with the most detail, as flat ones show little."""

    def detail(path: Path) -> float:
        # Without the noise, which is as strong in flat places.
        return float(cv2.GaussianBlur(read_png(path), (0, 0), 4).std(axis=(0, 1)).mean())

    return sorted(sorted(held_out(folder), key=detail, reverse=True)[:MOST_ROWS])


def comparison(rows: Sequence[Sequence[np.ndarray]], headings: Sequence[str]) -> np.ndarray:
    """Arrange images in a table on white.

    Args:
        rows: Images, (H, W, 3), uint8 RGB; those of a row have one size. Of larger ones the middle is shown.
        headings: What to write above the columns.

    Returns:
        The table, (H', W', 3), uint8 RGB.
    """
    height, width = (min(min(row[0].shape[axis] for row in rows), _SIDE) for axis in (0, 1))
    zoom = max(1, -(-_SIDE // max(height, width)))
    step_y, step_x = height * zoom + _LINE, width * zoom + _LINE
    table = np.full((_HEADING + len(rows) * step_y - _LINE, len(headings) * step_x - _LINE, 3), 255, np.uint8)
    for column, heading in enumerate(headings):
        left = column * step_x
        cv2.putText(table, heading, (left + 4, _HEADING - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        for row, images in enumerate(rows):
            y, x = ((images[column].shape[axis] - side) // 2 for axis, side in ((0, height), (1, width)))
            shown = images[column][y : y + height, x : x + width].repeat(zoom, 0).repeat(zoom, 1)
            top = _HEADING + row * step_y
            table[top : top + height * zoom, left : left + width * zoom] = shown
    return table


def teacher_progress(folder: Path, iteration: int) -> Path | None:
    """Put the strips of the teacher's validation together; None if they aren't there."""
    strips = folder / 'experiments' / 'teacher' / 'visualization' / 'strips' / 'held-out'
    rows = []
    for file in held_out_rows(folder):
        if strip := _find(strips, file.stem, iteration):
            pair = read_png(strip)
            width = (pair.shape[1] - 4) // 2
            rows.append((pair[:, :width], pair[:, -width:]))
    return _write(folder, f'teacher_{iteration:06d}.png', rows, ('noisy', f'teacher, step {iteration}'))


def student_progress(folder: Path, iteration: int) -> Path | None:
    """Show the student's validation beside its teacher; None if its images aren't there."""
    images = folder / 'experiments' / 'student' / 'visualization'
    rows = []
    for file in held_out_rows(folder):
        if own := _find(images / file.stem, file.stem, iteration):
            rows.append((read_png(file), read_png(folder / 'pairs' / 'held_out' / file.name), read_png(own)))
    return _write(folder, f'student_{iteration:06d}.png', rows, ('noisy', 'teacher', f'student, step {iteration}'))


def _find(folder: Path, stem: str, iteration: int) -> Path | None:
    """Find the image of a validation; BasicSR counts one more for the last."""
    files = (folder / f'{stem}_{number}.png' for number in (iteration, iteration + 1))
    return next((file for file in files if file.is_file()), None)


def _write(folder: Path, name: str, rows: Sequence[tuple[np.ndarray, ...]], headings: Sequence[str]) -> Path | None:
    if not rows:
        return None
    path = folder / 'progress' / name
    path.parent.mkdir(exist_ok=True)
    write_png(path, comparison(rows, headings))
    return path
