"""Photographs as a smartphone would have taken them, with the noise-free picture to compare with."""

import os.path as osp
import zlib
from typing import Any

import numpy as np
import torch
from basicsr.utils.registry import DATASET_REGISTRY
from torch.utils.data import Dataset

from amsnet_basicsr.data.augment import random_crop, random_flip_rotate
from amsnet_basicsr.data.camera_noise import Camera
from amsnet_basicsr.data.image_file import decode_image, to_tensor
from amsnet_basicsr.data.noisy_image_dataset import LOADER_KEYS, find_images
from amsnet_basicsr.options import refuse_unknown

#: The colour photographs inside every scikit-image wheel: no download.
SKIMAGE_SCENES = ('astronaut.png', 'chelsea.png', 'coffee.png', 'motorcycle_left.png', 'rocket.jpg')

KNOWN_KEYS = LOADER_KEYS | frozenset(
    ['dataroot_gt', 'scenes', 'camera', 'shots', 'seed', 'crop_size', 'use_hflip', 'use_rot', 'batch_size_per_gpu']
)


@DATASET_REGISTRY.register()
class CameraNoiseDataset(Dataset):
    """Noisy pictures made from clean ones by `Camera`, seeded.

    Training gets noisy crops alone, as from a real camera; validation and testing get whole noisy pictures and the
    clean ones of the same camera. Scenes and shots are taken once, at the start, and kept in memory.

    Args:
        opt: Options of the dataset:
            dataroot_gt (str): Folder of clean pictures. Default: the photographs that ship with scikit-image.
            scenes (list[str]): Names of the scenes to use: paths in the folder, without extension. Default: all.
            camera (dict): Settings of `Camera`.
            shots (int): Noisy pictures per scene, each with noise of its own. Default: 1.
            seed (int): Seed of the noise. Default: 0.
            crop_size (int): Side of the training crops. Training only.
            use_hflip (bool): Mirror half of the crops. Default: True.
            use_rot (bool): Turn crops by multiples of 90°. Default: True.
            phase (str): 'train', 'val' or 'test'; set by BasicSR.

    Raises:
        ValueError: For unknown options, and if a scene doesn't exist or is smaller than the crops.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        """Take the pictures."""
        super().__init__()
        where = f'dataset {opt.get("name", "?")!r} (CameraNoiseDataset)'
        refuse_unknown(opt, KNOWN_KEYS, where)
        self.opt = opt
        self.train = opt.get('phase') == 'train'
        if self.train and not opt.get('crop_size'):
            raise ValueError(f'{where}: training needs crop_size, the side of its crops in pixels (paper: 160)')
        camera_opt = dict(opt.get('camera') or {})
        refuse_unknown(camera_opt, Camera.__dataclass_fields__, f'{where}: camera')
        camera = Camera(**camera_opt)
        self.pictures: list[tuple[str, np.ndarray, np.ndarray]] = []
        for name, path in _scene_paths(opt, where).items():
            with open(path, 'rb') as file:
                scene = decode_image(file.read(), path)
            if scene.dtype == np.uint16:
                scene = (scene >> 8).astype(np.uint8)  # the camera's output has 8 bit whatever the scene has
            if self.train and min(scene.shape[:2]) < opt['crop_size']:
                raise ValueError(f'{where}: {path} is smaller than crop_size {opt["crop_size"]}')
            clean = camera.expose(scene, None)
            for shot in range(opt.get('shots', 1)):
                # A seed of its own for every picture: leaving scenes out doesn't change the noise of the others.
                seed = zlib.crc32(f'{opt.get("seed", 0)}/{name}/{shot}'.encode())
                noisy = camera.expose(scene, torch.Generator().manual_seed(seed))
                stem, extension = osp.splitext(path)
                number = '' if opt.get('shots', 1) == 1 else f'_{shot}'
                self.pictures.append((f'{stem}{number}{extension}', noisy, clean))

    def __len__(self) -> int:
        """Number of noisy pictures."""
        return len(self.pictures)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return `lq` and `lq_path`, and but for training `gt` and `gt_path`; images (3, H, W) float32 in [0, 1]."""
        path, noisy, clean = self.pictures[index]
        if self.train:
            noisy = random_crop(noisy, self.opt['crop_size'])
            noisy = random_flip_rotate(noisy, self.opt.get('use_hflip', True), self.opt.get('use_rot', True))
            return {'lq': to_tensor(noisy), 'lq_path': path}
        return {'lq': to_tensor(noisy), 'lq_path': path, 'gt': to_tensor(clean), 'gt_path': path}


def _scene_paths(opt: dict[str, Any], where: str) -> dict[str, str]:
    """Paths of the wanted scenes by name: relative to the folder, without extension."""
    folder = opt.get('dataroot_gt')
    if folder:
        folder = osp.expanduser(folder)
        paths = sorted(find_images(folder))
    else:
        import skimage  # imported here: it is slow, and only the default needs it

        folder = osp.join(osp.dirname(skimage.__file__), 'data')
        paths = [path for name in SKIMAGE_SCENES if osp.exists(path := osp.join(folder, name))]
    by_name = {osp.splitext(osp.relpath(path, folder))[0]: path for path in paths}
    if not by_name:
        raise ValueError(f'{where}: {folder} holds no image')
    wanted = opt.get('scenes') or list(by_name)
    if not isinstance(wanted, (list, tuple)):
        raise ValueError(f'{where}: scenes must be a list of names, got {wanted!r}')
    missing = [str(name) for name in wanted if name not in by_name]
    if missing:
        raise ValueError(f'{where}: no scene {", ".join(missing)}; there are: {", ".join(by_name)}')
    return {name: by_name[name] for name in wanted}
