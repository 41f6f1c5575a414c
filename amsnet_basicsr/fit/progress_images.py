"""Images that show how far a fit has come: rows of held-out crops, noisy | teacher | student."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from amsnet_basicsr.fit.targets import read_png, write_png

MOST_ROWS = 4
"""Crops in an image."""
_LINE, _HEADING = 4, 22
_SIDE = 256  # a crop is shown at least this large, each pixel several times if need be


def comparison(rows: Sequence[Sequence[np.ndarray]], headings: Sequence[str]) -> np.ndarray:
    """Arrange images in a table on white.

    Args:
        rows: Images of one size, (H, W, 3), uint8 RGB; each row has as many as there are headings.
        headings: What to write above the columns.

    Returns:
        The table, (H', W', 3), uint8 RGB.
    """
    height, width = rows[0][0].shape[:2]
    zoom = max(1, -(-_SIDE // max(height, width)))
    height, width = height * zoom, width * zoom
    table = np.full(
        (_HEADING + len(rows) * (height + _LINE) - _LINE, len(headings) * (width + _LINE) - _LINE, 3), 255, np.uint8
    )
    for column, heading in enumerate(headings):
        left = column * (width + _LINE)
        cv2.putText(table, heading, (left + 4, _HEADING - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        for row, images in enumerate(rows):
            top = _HEADING + row * (height + _LINE)
            table[top : top + height, left : left + width] = images[column].repeat(zoom, 0).repeat(zoom, 1)
    return table


def held_out_rows(folder: Path) -> list[Path]:
    """Choose the held-out crops that images show.

    Args:
        folder: The work folder.

    Returns:
        Files of noisy patches: those with the most detail, as flat ones show little.
    """

    def detail(path: Path) -> float:
        # Without the noise, which is as strong in flat places.
        return float(cv2.GaussianBlur(read_png(path), (0, 0), 4).std(axis=(0, 1)).mean())

    files = sorted((folder / 'patches' / 'held_out').glob('*.png'))
    return sorted(sorted(files, key=detail, reverse=True)[:MOST_ROWS])


def teacher_progress(folder: Path, iteration: int) -> Path | None:
    """Put the strips of the teacher's validation together.

    Args:
        folder: The work folder.
        iteration: Of the validation.

    Returns:
        The image, or None if the strips aren't there.
    """
    strips = folder / 'experiments' / 'teacher' / 'visualization' / 'strips' / 'held-out'
    rows = []
    for file in held_out_rows(folder):
        if strip := _find(strips, file.stem, iteration):
            pair = read_png(strip)
            width = (pair.shape[1] - 4) // 2
            rows.append((pair[:, :width], pair[:, -width:]))
    return _write(folder, f'teacher_{iteration:06d}.png', rows, ('noisy', f'teacher, step {iteration}'))


def student_progress(folder: Path, iteration: int) -> Path | None:
    """Show the student's validation beside its teacher.

    Args:
        folder: The work folder.
        iteration: Of the validation.

    Returns:
        The image, or None if the student's images aren't there.
    """
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


def _write(folder: Path, name: str, rows: list, headings: Sequence[str]) -> Path | None:
    if not rows:
        return None
    path = folder / 'progress' / name
    path.parent.mkdir(exist_ok=True)
    write_png(path, comparison(rows, headings))
    return path
