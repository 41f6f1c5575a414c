"""Pairs for a student of many cameras: real images with a teacher's work, and scenes under many kinds of noise."""

import os.path as osp
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from amsnet_basicsr.data.augment import to_tensor
from amsnet_basicsr.data.image_list import find_images, read_meta_info
from amsnet_basicsr.images import decode_image, read_bytes
from amsnet_basicsr.options.blocks.datasets import NoiseMixtureOptions
from amsnet_basicsr.simulation.drawn import draw_scene
from amsnet_basicsr.simulation.mixture import add_drawn_noise
from amsnet_basicsr.simulation.noise_kinds import transplant

_SCENE_SIDE = 256


class NoiseMixtureDataset(Dataset):
    """Random crops, noisy and target, of real pairs and of scenes under drawn noise. For training only.

    A share of the crops are real: a noisy image and what a teacher made of it. A share have the teacher's image under
    the noise of another place of similar brightness. The rest are scenes (drawn ones; the teacher's images at half and
    at quarter size, which are sharp; and at full size) under drawn noise, see `add_drawn_noise`.

    Args:
        opt: Options, as `NoiseMixtureOptions` explains them.

    Raises:
        ValueError: For unknown options, and for images that are missing, cannot be read or differ in size.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        """Read the pairs into memory."""
        super().__init__()
        self.opt = opt
        settings = NoiseMixtureOptions.of(opt)
        self.size, self.real, self.transplanted = settings.crop_size, settings.real, settings.transplanted
        self.drawn: dict[int, np.ndarray] = {}
        self.drawn_count = settings.drawn
        where = settings.where
        noisy, target = (osp.expanduser(root) for root in (settings.dataroot_lq, settings.dataroot_gt))
        if settings.meta_info_file:
            self.names = [name for name, _ in read_meta_info(settings.meta_info_file)]
        else:
            self.names = sorted(osp.relpath(path, target) for path in find_images(target))
        if not self.names:
            raise ValueError(f'{where}: {target} holds no image')
        if self.transplanted and len(self.names) == 1:
            raise ValueError(f'{where}: the noise of another image needs two pairs; set transplanted: 0')
        self.noisy = [_read(osp.join(noisy, name)) for name in self.names]
        self.target = [_read(osp.join(target, name)) for name in self.names]
        shape = self.target[0].shape
        for name, *pair in zip(self.names, self.noisy, self.target, strict=True):
            if any(image.shape != shape for image in pair) or min(shape[:2]) < self.size:
                raise ValueError(f'{where}: {name}: images must be of one size, and not smaller than {self.size}')
        self.brightness = np.array([image.mean() for image in self.target])

    def __len__(self) -> int:
        """Number of real pairs."""
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return `lq` and `gt`, (3, crop_size, crop_size) float32 in [0, 1], and `lq_path`, `gt_path`."""
        generator = np.random.default_rng(int(torch.randint(2**62, ())))
        draw = generator.random()
        if draw < self.real:
            noisy, target = self._crop((self.noisy[index], self.target[index]), generator)
        elif draw < self.real + self.transplanted:
            noisy, target = self._transplanted(index, generator)
        else:
            noisy, target = self._synthetic(index, generator)
        pair = [noisy, target]
        turns, flip = int(generator.integers(4)), bool(generator.integers(2))
        pair = [np.rot90(image[:, ::-1] if flip else image, turns) for image in pair]
        lq, gt = (to_tensor(image.round().clip(0, 255).astype(np.uint8)) for image in pair)
        return {'lq': lq, 'gt': gt, 'lq_path': self.names[index], 'gt_path': self.names[index]}

    def _crop(self, images: tuple[np.ndarray, ...], generator: np.random.Generator) -> list[np.ndarray]:
        """The same random crop of images of one size, float32."""
        top, left = (int(generator.integers(length - self.size + 1)) for length in images[0].shape[:2])
        return [
            np.ascontiguousarray(image[top : top + self.size, left : left + self.size]).astype(np.float32)
            for image in images
        ]

    def _transplanted(self, index: int, generator: np.random.Generator) -> list[np.ndarray]:
        """A teacher's image under the noise of another patch whose brightness is among the nearest."""
        (target,) = self._crop((self.target[index],), generator)
        near = np.argsort(np.abs(self.brightness - target.mean()))[:12]
        other = int(generator.choice(near[near != index]))
        noisy, denoised = self._crop((self.noisy[other], self.target[other]), generator)
        return [transplant(target, noisy, denoised, generator), target]

    def _synthetic(self, index: int, generator: np.random.Generator) -> list[np.ndarray]:
        """A scene under drawn noise."""
        (clean,) = self._crop((self._scene(index, generator),), generator)
        return list(add_drawn_noise(clean, generator))

    def _scene(self, index: int, generator: np.random.Generator) -> np.ndarray:
        """A drawn scene, or teacher's images: at full, half or quarter size."""
        draw = generator.random()
        if draw < 0.5 and self.drawn_count:
            number = int(generator.integers(self.drawn_count))
            if number not in self.drawn:
                rng = np.random.default_rng(number)
                palette = np.concatenate([self.target[i].reshape(-1, 3) for i in rng.integers(len(self), size=4)])
                self.drawn[number] = draw_scene(max(_SCENE_SIDE, self.size), palette, rng)
            return self.drawn[number]
        factor = 1 if draw < 0.6 else (2 if draw < 0.85 else 4)
        rows = [
            [self._small(int(i), factor) for i in generator.integers(len(self), size=factor)] for _ in range(factor)
        ]
        return self.target[index] if factor == 1 else np.vstack([np.hstack(row) for row in rows])

    def _small(self, index: int, factor: int) -> np.ndarray:
        return cv2.resize(self.target[index], None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)


def _read(path: str) -> np.ndarray:
    """Read an 8-bit image, (H, W, 3) RGB."""
    image = decode_image(read_bytes(path), path)
    if image.dtype != np.uint8:
        raise ValueError(f'{path}: has 16 bits; targets of 8 bits are wanted')
    return image
