"""Images as a smartphone would have taken them, with the noise-free image to compare with."""

import os
import os.path as osp
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from basicsr.utils import get_root_logger
from basicsr.utils.registry import DATASET_REGISTRY
from torch.utils.data import Dataset

from amsnet_basicsr.data.augment import random_crop, random_flip_rotate, to_tensor
from amsnet_basicsr.data.image_list import find_images
from amsnet_basicsr.images import decode_image, read_bytes, with_channels
from amsnet_basicsr.options.blocks.datasets import CameraNoiseOptions
from amsnet_basicsr.simulation.exposure import Simulation

#: The colour images inside every scikit-image wheel: no download.
SKIMAGE_SCENES = ('astronaut.png', 'chelsea.png', 'coffee.png', 'motorcycle_left.png', 'rocket.jpg')

SMALLEST_SIDE = 3


class _Entry(NamedTuple):
    """One image: its scene's name and file, the number of the shot, and what to call it."""

    name: str
    scene_path: str
    shot: int
    path: str


class _CachedImage(NamedTuple):
    """What the camera made; training needs no clean image."""

    noisy: np.ndarray
    clean: np.ndarray | None


@DATASET_REGISTRY.register()
class CameraNoiseDataset(Dataset):
    """Noisy images made from clean ones by a simulated camera, seeded.

    Training gets noisy crops alone, as from a real camera; validation and testing get whole noisy images and the
    clean ones of the same camera. An image's noise depends on the seed, the scene's name and the shot's number alone:
    it is the same in every epoch and worker, and whether the image was kept in memory or is taken again.

    Args:
        opt: Options, as `CameraNoiseOptions` explains them.

    Raises:
        ValueError: For unknown options and impossible values, and if a scene doesn't exist, cannot be read, or is
            smaller than the crops.
        FileNotFoundError: If the folder doesn't exist.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        """List the images, look at every scene, and take what fits into memory."""
        super().__init__()
        self.opt = opt
        self.settings = settings = CameraNoiseOptions.of(opt)
        self.train = settings.is_training
        self.crop_size = settings.training_crop
        self.simulation = Simulation.of(settings, settings.where)
        self.entries = [
            _Entry(name, path, shot, path if settings.shots == 1 else f'_{shot}'.join(osp.splitext(path)))
            for name, path in _scene_paths(settings).items()
            for shot in range(settings.shots)
        ]
        self._kept: dict[int, _CachedImage] = {}
        self._fill(settings.cache_mb * 1e6)

    def __len__(self) -> int:
        """Number of noisy images."""
        return len(self.entries)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return `lq` and `lq_path`, and but for training `gt` and `gt_path`; images (C, H, W) float32 in [0, 1]."""
        path = self.entries[index].path
        noisy, clean = self._kept[index] if index in self._kept else self._take(index)
        if self.crop_size is not None:
            noisy = random_crop(noisy, self.crop_size)
            noisy = random_flip_rotate(noisy, self.settings.use_hflip, self.settings.use_rot)
        item = {'lq': to_tensor(noisy), 'lq_path': path}
        return item if clean is None else {**item, 'gt': to_tensor(clean), 'gt_path': path}

    def _take(self, index: int, scene: np.ndarray | None = None) -> _CachedImage:
        entry = self.entries[index]
        scene = self._read_scene(entry.scene_path) if scene is None else scene
        exposure = self.simulation.exposure(entry.name, entry.shot)
        noisy, clean = exposure.noisy(scene), None if self.train else exposure.clean(scene)
        channels = self.settings.channels
        return _CachedImage(
            with_channels(noisy, None, channels), None if clean is None else with_channels(clean, None, channels)
        )

    def _read_scene(self, path: str) -> np.ndarray:
        try:
            scene = read_scene(path)
        except ValueError as error:
            raise ValueError(f'{self.settings.where}: {error}') from error
        if self.crop_size is not None and min(scene.shape[:2]) < self.crop_size:
            raise ValueError(f'{self.settings.where}: {path} is smaller than crop_size {self.crop_size}')
        return scene

    def _fill(self, room: float) -> None:
        """Read every scene once, and keep the images of the first that fit into `room` bytes."""
        copies = 1 if self.train else 2

        def read(index: int) -> tuple[int, _CachedImage | None]:
            scene = self._read_scene(self.entries[index].scene_path)
            # Images are as large as their scene. A thread may see some room that another is about to fill: harmless.
            return scene.nbytes, self._take(index, scene) if room >= copies * scene.nbytes else None

        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for index, (size, image) in enumerate(pool.map(read, range(len(self.entries)))):
                room -= copies * size
                if image is not None and room >= 0:
                    self._kept[index] = image
        if len(self._kept) < len(self.entries):
            get_root_logger().info(
                f'{self.settings.where}: {len(self._kept)} of {len(self.entries)} images fit into cache_mb; the others '
                f'are taken again whenever they are read. scripts/simulate_noise.py writes them to files once.'
            )


def read_scene(path: str) -> np.ndarray:
    """Read a clean image.

    Args:
        path: Image file.

    Returns:
        sRGB image, (H, W, 3), uint8; of 16 bits the upper 8, which is all that the camera's output has.

    Raises:
        ValueError: If it cannot be read, or has less than 3 pixels on a side; the message names the file.
    """
    scene = decode_image(read_bytes(path), path)
    if min(scene.shape[:2]) < SMALLEST_SIDE:
        raise ValueError(f'{path} is too small: {scene.shape[0]}×{scene.shape[1]} pixels')
    return (scene >> 8).astype(np.uint8) if scene.dtype == np.uint16 else scene


def find_scenes(folder: str) -> dict[str, str]:
    """List the images of a folder by name.

    Args:
        folder: The folder; subfolders count.

    Returns:
        Path by name, sorted by path; the name is the path in the folder without extension.

    Raises:
        ValueError: If two images have the same name.
    """
    return dict(_named(sorted(find_images(folder)), folder))


def _named(paths: list[str], folder: str) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for path in paths:
        name = osp.splitext(osp.relpath(path, folder))[0]
        if name in seen:
            raise ValueError(f'{path} and {seen[name]} have the same name; rename or remove one')
        seen[name] = path
        yield name, path


def _scene_paths(settings: CameraNoiseOptions) -> dict[str, str]:
    """Paths of the wanted scenes by name: relative to the folder, without extension."""
    folder, where = settings.dataroot_gt, settings.where
    if folder:
        folder = osp.expanduser(folder)
        if not osp.isdir(folder):
            raise FileNotFoundError(f'{where}: there is no folder {folder}')
        try:
            by_name = find_scenes(folder)
        except ValueError as error:
            raise ValueError(f'{where}: {error}') from error
    else:
        import skimage  # imported here: it is slow, and only the default needs it

        folder = osp.join(osp.dirname(skimage.__file__), 'data')
        by_name = dict(_named([path for name in SKIMAGE_SCENES if osp.exists(path := osp.join(folder, name))], folder))
    if not by_name:
        raise ValueError(f'{where}: {folder} holds no image')
    wanted = settings.scenes or list(by_name)
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise ValueError(f'{where}: no scene {", ".join(missing)}; there are: {", ".join(by_name)}')
    return {name: by_name[name] for name in wanted}
