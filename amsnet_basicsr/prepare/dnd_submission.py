"""Results on the Darmstadt Noise Dataset (DND), sRGB, in the format of its server.

As its submission kit does, the 20 boxes of each image are cut out first and denoised by themselves: a method sees
nothing but the 512×512 crop. Denoising whole images first would take longer and use pixels that other results on this
benchmark were made without.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from tqdm import tqdm

from amsnet_basicsr.prepare.errors import PrepareError
from amsnet_basicsr.prepare.whole_output import partial_path
from amsnet_basicsr.utils.atomic_write import atomic_write

#: Images, boxes of each, and their side in pixels.
IMAGES, BOXES, SIDE = 50, 20, 512


def image_path(data: Path, number: int) -> Path:
    """Where an image of the data set lies.

    Args:
        data: The data set's folder.
        number: Number of the image, from 1.

    Returns:
        The path.
    """
    return data / 'images_srgb' / f'{number:04d}.mat'


def read_boxes(data: Path) -> list[np.ndarray]:
    """Read the boxes, and see that the images are there.

    Args:
        data: The data set's folder, with `info.mat` and `images_srgb/`.

    Returns:
        For each image (boxes, 4) whole numbers: first row, first column, last row, last column, counted from 1.

    Raises:
        PrepareError: If a file is missing, or `info.mat` is damaged or another.
    """
    path = data / 'info.mat'
    if not path.is_file():
        raise PrepareError(f'there is no {path}: --data takes the folder that holds info.mat and images_srgb')
    try:
        with h5py.File(path) as file:
            references = file['info/boundingboxes'][()].ravel()
            boxes = [np.asarray(file[reference]) for reference in references]
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise PrepareError(f"{path} is damaged, or no info.mat of DND (it has no 'info/boundingboxes')") from error
    # MATLAB's axes are reversed in HDF5: (boxes, 4) is (4, boxes) there.
    boxes = [box.T.astype(int) for box in boxes]
    if not boxes or any(box.ndim != 2 or box.shape[1] != 4 for box in boxes):
        raise PrepareError(f'{path}: boundingboxes has the shape {boxes[0].T.shape if boxes else ()}, not 20×4 boxes')
    missing = [
        image_path(data, number + 1) for number in range(len(boxes)) if not image_path(data, number + 1).is_file()
    ]
    if missing:
        raise PrepareError(f'{len(missing)} of {len(boxes)} images are missing, the first is {missing[0]}')
    return boxes


def read_crop(path: Path, box: Sequence[int]) -> np.ndarray:
    """Read one box of a noisy image.

    Args:
        path: The image's file.
        box: First row, first column, last row, last column, counted from 1.

    Returns:
        The crop, RGB, (H, W, 3), float32 in [0, 1].

    Raises:
        PrepareError: If the file is damaged or another, or the box lies outside.
    """
    top, left, bottom, right = (int(value) for value in box)
    try:
        with h5py.File(path) as file:
            image = file['InoisySRGB']
            channels, width, height = image.shape
            if channels != 3 or not (1 <= top <= bottom <= height and 1 <= left <= right <= width):
                raise PrepareError(
                    f'{path} has {height}×{width}×{channels} values, but a box is {top, left, bottom, right}'
                )
            crop = image[:, left - 1 : right, top - 1 : bottom]
    except PrepareError:
        raise
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise PrepareError(f'{path} is damaged, or no image of DND (it has no InoisySRGB)') from error
    return np.ascontiguousarray(crop.transpose(), dtype=np.float32)


def denoise_crops(
    data: Path, boxes: Sequence[np.ndarray], denoise: Callable[[np.ndarray], np.ndarray], folder: Path
) -> int:
    """Denoise all crops and keep each as `NNNN_BB.mat`, so that a run that is stopped can go on.

    Args:
        data: The data set's folder.
        boxes: See `read_boxes`.
        denoise: Denoises an image, RGB (H, W, 3) float32 in [0, 1].
        folder: Where the crops go, `Idenoised_crop` in each; those that are there are taken as they are.

    Returns:
        How many were there.
    """
    crops = [(number, box) for number, image in enumerate(boxes) for box in range(len(image))]
    left = [(number, box) for number, box in crops if not _crop_path(folder, number, box).is_file()]
    with tqdm(total=len(crops), initial=len(crops) - len(left), unit='crop', disable=None) as bar:
        for number, box in left:
            path = _crop_path(folder, number, box)
            noisy = read_crop(image_path(data, number + 1), boxes[number][box])
            try:
                denoised = denoise(noisy)
            except PrepareError as error:
                raise PrepareError(f'{path.stem}: {error}') from error
            with atomic_write(path) as file:
                scipy.io.savemat(file, {'Idenoised_crop': np.asarray(denoised, np.float32)})
            bar.update()
    return len(crops) - len(left)


def _crop_path(folder: Path, number: int, box: int) -> Path:
    return folder / f'{number + 1:04d}_{box + 1:02d}.mat'


def bundle(crops: Path, counts: Sequence[int], target: Path) -> Path:
    """Put the crops together, as the bundling step of DND's submission kit does.

    Args:
        crops: Folder of all `NNNN_BB.mat`.
        counts: Number of boxes of each image.
        target: The folder to make.

    Returns:
        The folder, still under the name of an unfinished one: for each image `NNNN.mat` with the cell array `Idenoised`
        (1×20) of single (H, W, 3) in [0, 1], `israw` false and `eval_version` '1.0'.

    Raises:
        PrepareError: If a crop is damaged.
    """
    folder = partial_path(target)
    folder.mkdir(parents=True, exist_ok=True)
    for number, count in enumerate(counts):
        cells = np.empty((1, count), object)
        for box in range(count):
            path = _crop_path(crops, number, box)
            try:
                cells[0, box] = scipy.io.loadmat(path)['Idenoised_crop']
            except Exception as error:  # any bytes may be in a damaged file
                raise PrepareError(f'{path} is damaged: remove it and run again') from error
        with atomic_write(folder / f'{number + 1:04d}.mat') as file:
            scipy.io.savemat(file, {'Idenoised': cells, 'israw': False, 'eval_version': '1.0'})
    return folder
