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

    def detail(path: Path) -> float:  # without the noise, which is as strong in flat places
        return float(cv2.GaussianBlur(read_png(path), (0, 0), 4).std(axis=(0, 1)).mean())

    return sorted(sorted(patch_files(folder, 'held_out'), key=detail, reverse=True)[:MOST_ROWS])


def comparison(rows: Sequence[Sequence[np.ndarray]], headings: Sequence[str]) -> np.ndarray:
    """Arrange images, (H, W, 3) uint8 RGB, in a table on white; those of a row have one size, the middle is shown."""
    height, width = (min(min(row[0].shape[axis] for row in rows), _SIDE) for axis in (0, 1))
    zoom = max(1, -(-_SIDE // max(height, width)))

    def cell(image: np.ndarray) -> np.ndarray:
        y, x = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        shown = image[y : y + height, x : x + width].repeat(zoom, 0).repeat(zoom, 1)
        return np.pad(shown, [(0, _LINE), (0, _LINE), (0, 0)], constant_values=255)

    table = np.vstack([np.hstack([cell(image) for image in row]) for row in rows])[:-_LINE, :-_LINE]
    table = np.pad(table, [(_HEADING, 0), (0, 0), (0, 0)], constant_values=255)
    for column, heading in enumerate(headings):
        place = column * (width * zoom + _LINE) + 4, _HEADING - 7
        cv2.putText(table, heading, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return table


def write_progress(folder: Path, name: str, iteration: int) -> Path | None:
    """Show a validation of teacher or student, the student's beside its teacher; None if its images are missing."""
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
    before = ('noisy', 'teacher') if name == 'student' else ('noisy',)
    write_png(path, comparison(rows, (*before, f'{name}, step {iteration}')))
    return path
