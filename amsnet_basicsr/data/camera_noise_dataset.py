"""Images as a smartphone would have taken them, with the noise-free image to compare with."""

import os.path as osp
from typing import Any, NamedTuple

import numpy as np
from basicsr.utils import get_root_logger
from torch.utils.data import Dataset

from amsnet_basicsr.data.augment import to_tensor, training_crop
from amsnet_basicsr.data.image_list import existing_folder, find_images, naming
from amsnet_basicsr.images import decode_image, read_bytes, with_channels
from amsnet_basicsr.options.blocks.datasets import CameraNoiseOptions
from amsnet_basicsr.simulation.exposure import Simulation
from amsnet_basicsr.utils.parallel import ordered_map

#: The colour images inside every scikit-image wheel: no download.
SKIMAGE_SCENES = ('astronaut.png', 'chelsea.png', 'coffee.png', 'motorcycle_left.png', 'rocket.jpg')
SMALLEST_SIDE = 3

#: A noisy image and the clean one, which training doesn't need.
Taken = tuple[np.ndarray, np.ndarray | None]


class _Entry(NamedTuple):
    """One image: its scene's name and file, the number of the shot, and what to call it."""

    name: str
    scene_path: str
    shot: int
    path: str


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
        self.train, self.crop_size = settings.is_training, settings.training_crop
        self.simulation = Simulation.of(settings, settings.where)
        with naming(settings.where):
            scenes = _scene_paths(settings)
        self.entries = [
            _Entry(name, path, shot, path if settings.shots == 1 else f'_{shot}'.join(osp.splitext(path)))
            for name, path in scenes.items()
            for shot in range(settings.shots)
        ]
        self._kept: dict[int, Taken] = {}
        self._fill(settings.cache_mb * 1e6)

    def __len__(self) -> int:
        """Number of noisy images."""
        return len(self.entries)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return `lq` and `lq_path`, and but for training `gt` and `gt_path`; images (C, H, W) float32 in [0, 1]."""
        entry = self.entries[index]
        noisy, clean = self._kept[index] if index in self._kept else self._take(entry, self._read_scene(entry))
        if self.crop_size is not None:
            noisy = training_crop(noisy, self.crop_size, self.settings)
        item = {'lq': to_tensor(noisy), 'lq_path': entry.path}
        return item if clean is None else {**item, 'gt': to_tensor(clean), 'gt_path': entry.path}

    def _take(self, entry: _Entry, scene: np.ndarray) -> Taken:
        exposure, channels = self.simulation.exposure(entry.name, entry.shot), self.settings.channels
        noisy = with_channels(exposure.noisy(scene), None, channels)
        return noisy, None if self.train else with_channels(exposure.clean(scene), None, channels)

    def _read_scene(self, entry: _Entry) -> np.ndarray:
        with naming(self.settings.where):
            scene = read_scene(entry.scene_path)
            if self.crop_size is not None and min(scene.shape[:2]) < self.crop_size:
                raise ValueError(f'{entry.scene_path} is smaller than crop_size {self.crop_size}')
        return scene

    def _fill(self, room: float) -> None:
        """Read every scene once, and keep the images of the first that fit into `room` bytes."""
        copies = 1 if self.train else 2

        def read(entry: _Entry) -> tuple[int, Taken | None]:
            scene = self._read_scene(entry)
            # Images are as large as their scene. A thread may see some room that another is about to fill: harmless.
            return copies * scene.nbytes, self._take(entry, scene) if room >= copies * scene.nbytes else None

        for index, (size, taken) in enumerate(ordered_map(read, self.entries)):
            room -= size
            if taken is not None and room >= 0:
                self._kept[index] = taken
        if len(self._kept) < len(self.entries):
            get_root_logger().info(
                f'{self.settings.where}: {len(self._kept)} of {len(self.entries)} images fit into cache_mb; the others '
                f'are taken again whenever they are read. scripts/simulate_noise.py writes them to files once.'
            )


def read_scene(path: str) -> np.ndarray:
    """Read a clean image: sRGB, (H, W, 3), uint8; of 16 bits the upper 8, which is all that a camera's output has.

    Raises:
        ValueError: If it cannot be read, or has less than 3 pixels on a side; the message names the file.
    """
    scene = decode_image(read_bytes(path), path)
    if min(scene.shape[:2]) < SMALLEST_SIDE:
        raise ValueError(f'{path} is too small: {scene.shape[0]}×{scene.shape[1]} pixels')
    return (scene >> 8).astype(np.uint8) if scene.dtype == np.uint16 else scene


def find_scenes(folder: str) -> dict[str, str]:
    """List the images of a folder and its subfolders by name, the path in the folder without extension.

    Raises:
        ValueError: If two images have the same name.
    """
    scenes: dict[str, str] = {}
    for path in find_images(folder):
        name = osp.splitext(osp.relpath(path, folder))[0]
        if scenes.setdefault(name, path) != path:
            raise ValueError(f'{path} and {scenes[name]} have the same name; rename or remove one')
    return scenes


def _scene_paths(settings: CameraNoiseOptions) -> dict[str, str]:
    """Paths of the wanted scenes by name."""
    if settings.dataroot_gt:
        folder = existing_folder(settings.dataroot_gt)
        by_name = find_scenes(folder)
    else:
        import skimage  # imported here: it is slow, and only the default needs it

        folder = osp.join(osp.dirname(skimage.__file__), 'data')
        paths = [osp.join(folder, name) for name in SKIMAGE_SCENES]
        by_name = {osp.splitext(osp.basename(path))[0]: path for path in paths if osp.exists(path)}
    if not by_name:
        raise ValueError(f'{folder} holds no image')
    wanted = settings.scenes or list(by_name)
    if missing := [name for name in wanted if name not in by_name]:
        raise ValueError(f'no scene {", ".join(missing)}; there are: {", ".join(by_name)}')
    return {name: by_name[name] for name in wanted}
