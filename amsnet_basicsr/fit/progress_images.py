"""Images that show how far a fit has come: rows of held-out crops, noisy | teacher | student."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from amsnet_basicsr.fit.patches import patch_files, read_png, write_png

MOST_ROWS = 4
"""Crops in an image."""
_LINE, _HEADING = 4, 22
_SIDE = 256  # a crop is shown at least this large, each pixel several times if need be


def shown_patches(folder: Path) -> list[Path]:
    """Choose the held-out patches that images show: those with the most detail, as flat ones show little."""

    def detail(path: Path) -> float:
        # Without the noise, which is as strong in flat places.
        return float(cv2.GaussianBlur(read_png(path), (0, 0), 4).std(axis=(0, 1)).mean())

    return sorted(sorted(patch_files(folder, 'held_out'), key=detail, reverse=True)[:MOST_ROWS])


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


def write_progress(folder: Path, name: str, iteration: int) -> Path | None:
    """Show a validation of teacher or student, the student's beside its teacher; None if its images aren't there."""
    images = folder / 'experiments' / name / 'visualization'
    rows = []
    for file in shown_patches(folder):
        # BasicSR counts one more for the last validation.
        found = [path for at in (iteration, iteration + 1) for path in images.rglob(f'{file.stem}_{at}.png')]
        if found:
            columns = [file, folder / 'pairs' / 'held_out' / file.name, found[0]]
            rows.append([read_png(path) for path in (columns if name == 'student' else columns[::2])])
    if not rows:
        return None
    path = folder / 'progress' / f'{name}_{iteration:06d}.png'
    path.parent.mkdir(exist_ok=True)
    before = ('noisy', 'teacher') if name == 'student' else ('noisy',)
    write_png(path, comparison(rows, (*before, f'{name}, step {iteration}')))
    return path
