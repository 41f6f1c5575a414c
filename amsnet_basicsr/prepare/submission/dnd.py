"""Results on the Darmstadt Noise Dataset (DND), sRGB, in the format of its server.

As its submission kit does, the 20 boxes of each image are cut out first and denoised by themselves: a method sees
nothing but the 512×512 crop. Denoising whole images would take longer and use pixels that other results on this
benchmark were made without.
"""

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from amsnet_basicsr.prepare.mat_blocks import checked_object, damage_told, inner_object
from amsnet_basicsr.prepare.outputs import discard, human_bytes, partial_path, publish, refuse_existing
from amsnet_basicsr.prepare.submission.denoise import Submission, denoise_images
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.lock import exclusive_lock

#: Images, and boxes of each.
IMAGES, BOXES = 50, 20


def submit(data: Path, how: Submission) -> str:
    """Denoise DND's crops and write `bundled/NNNN.mat`, one file for each image; returns what was made, in words.

    Args:
        data: The dataset's folder, with `info.mat` and `images_srgb/`.
        how: Model and output.
    """
    boxes = read_boxes(data)
    counts = [len(image) for image in boxes]
    if counts != [BOXES] * IMAGES:
        print(f'Warning: {len(counts)} images with {sum(counts)} boxes; DND has {IMAGES} with {BOXES} each')
    crops, bundled = how.output / 'crops', how.output / 'bundled'
    refuse_existing(bundled, how.choices.overwrite)

    needed = 2 * 4 * sum(3 * int((y2 - y1 + 1) * (x2 - x1 + 1)) for image in boxes for y1, x1, y2, x2 in image)
    noisy = {
        _crop_name(image, number): partial(read_crop, image_path(data, image), box)
        for image, of_image in enumerate(boxes)
        for number, box in enumerate(of_image)
    }
    with exclusive_lock(how.output):
        denoise_images(how, crops, data, needed, noisy, lambda crop: _mat(Idenoised_crop=np.asarray(crop, np.float32)))
        discard(partial_path(bundled))
        bundle(crops, counts, partial_path(bundled))
        publish(bundled)
    size = sum(path.stat().st_size for path in bundled.iterdir())
    return f'{bundled}: {len(counts)} files with {sum(counts)} crops, {human_bytes(size)}'


def image_path(data: Path, index: int) -> Path:
    """Name the file of an image by its index from 0."""
    return data / 'images_srgb' / f'{index + 1:04d}.mat'


def read_boxes(data: Path) -> list[np.ndarray]:
    """Read the boxes, and see that the images are there.

    Returns:
        For each image (boxes, 4) whole numbers: first row, first column, last row, last column, counted from 1.
    """
    path = data / 'info.mat'
    if not path.is_file():
        raise UserError(f'there is no {path}: --data takes the folder that holds info.mat and images_srgb')
    with damage_told(path, "not DND's info.mat (it has no 'info/boundingboxes')"), h5py.File(path) as file:
        references = inner_object(file, 'info/boundingboxes', path)[()].ravel()
        # MATLAB's axes are reversed in HDF5: (boxes, 4) is (4, boxes) there.
        boxes = [np.asarray(checked_object(file[reference], path)).T.astype(int) for reference in references]
    if not boxes or any(box.ndim != 2 or box.shape[1] != 4 for box in boxes):
        raise UserError(f'{path}: boundingboxes has the shape {boxes[0].shape if boxes else ()}, not 20×4 boxes')
    missing = [path for index in range(len(boxes)) if not (path := image_path(data, index)).is_file()]
    if missing:
        raise UserError(f'{len(missing)} of {len(boxes)} images are missing, the first is {missing[0]}')
    return boxes


def read_crop(path: Path, box: Sequence[int]) -> np.ndarray:
    """Read one box (counted from 1) of a noisy image: RGB, (H, W, 3), float32 in [0, 1]."""
    top, left, bottom, right = (int(value) for value in box)
    with damage_told(path, 'not an image of DND (it has no InoisySRGB)'), h5py.File(path) as file:
        image = inner_object(file, 'InoisySRGB', path)
        channels, width, height = image.shape
        if channels != 3 or not (1 <= top <= bottom <= height and 1 <= left <= right <= width):
            raise UserError(f'{path} has {height}×{width}×{channels} values, but a box is {top, left, bottom, right}')
        crop = image[:, left - 1 : right, top - 1 : bottom]
    return np.ascontiguousarray(crop.transpose(), dtype=np.float32)


def bundle(crops: Path, counts: Sequence[int], folder: Path) -> None:
    """Put the crops together, as the bundling step of DND's submission kit does.

    Args:
        crops: Folder of all `NNNN_BB.mat`.
        counts: Number of boxes of each image.
        folder: The folder to make: for each image `NNNN.mat` with the cell array `Idenoised` (1×20) of single
            (H, W, 3) in [0, 1], `israw` false and `eval_version` '1.0'.
    """
    folder.mkdir(parents=True)
    for index, count in enumerate(counts):
        cells = np.empty((1, count), object)
        for box in range(count):
            path = crops / _crop_name(index, box)
            with damage_told(path, 'not a crop: remove it and run again'):
                cells[0, box] = scipy.io.loadmat(path)['Idenoised_crop']
        (folder / f'{index + 1:04d}.mat').write_bytes(_mat(Idenoised=cells, israw=False, eval_version='1.0'))


def _crop_name(image: int, box: int) -> str:
    return f'{image + 1:04d}_{box + 1:02d}.mat'


def _mat(**variables: object) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables)
    return file.getvalue()
