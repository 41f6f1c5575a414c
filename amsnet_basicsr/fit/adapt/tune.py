"""Fine-tune a student to the noise of given images, without a clean one.

Half of each batch is a noisy crop recorrupted: for noise n' of the same kind, the network maps y + a n' to y − n' / a,
whose noises are independent, so the expected loss is that against the clean image (Recorrupted-to-Recorrupted: Pang,
Zheng, Quan and Ji, CVPR 2021). The other half is a cleaned image at half or quarter size, which is sharp and has little
noise left, under noise of the model.
"""

import time
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from amsnet_basicsr.fit.adapt.measure import run
from amsnet_basicsr.fit.adapt.noise import NoiseModel

CROP, BATCH, RATE = 96, 4, 5e-4
_AVERAGED = 0.98  # weights are averaged over some 50 steps


def tune(
    net: nn.Module,
    images: Sequence[np.ndarray],
    noise: NoiseModel,
    seconds: float,
    steps: int | None,
    device: torch.device,
    seed: int,
) -> tuple[int, dict[str, torch.Tensor]]:
    """Fine-tune a network on noisy images, (H, W, 3) float32 in [0, 1], for so long, or so many steps if given.

    Returns the number of steps, and the averaged weights.
    """
    generator = np.random.default_rng(seed)
    torch.manual_seed(seed)
    net.to(device).eval()
    small = [
        cv2.resize(clean, (width, height), interpolation=cv2.INTER_AREA).clip(0, 1)
        for noisy in images
        for clean in [run(net, noisy, device)]
        for height, width in [(clean.shape[0] // by, clean.shape[1] // by) for by in (2, 4)]
        if min(height, width) >= CROP // 2
    ]
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0)
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    net.train()
    step, share, began = 0, 0.0, time.monotonic()
    with tqdm(total=100, desc='adapting', unit='%', disable=None, leave=False) as bar:
        while share < 1:
            for group in optimizer.param_groups:
                group['lr'] = RATE * min(1, (step + 1) / 20) * 0.5 * (1 + np.cos(np.pi * share))
            pairs = [
                _recorrupted(_crop(images, generator), noise, generator)
                if number % 2 or not small
                else _synthetic(_crop(small, generator), noise, generator)
                for number in range(BATCH)
            ]
            x, target = (
                torch.from_numpy(np.stack(side).transpose(0, 3, 1, 2).copy()).to(device)
                for side in zip(*pairs, strict=True)
            )
            loss = (net(x) - target).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                keep = min(_AVERAGED, step / (step + 10))
                for name, value in net.state_dict().items():
                    if value.is_floating_point():  # BatchNorm's counters are not
                        average[name].lerp_(value, 1 - keep)
            step += 1
            share = step / steps if steps else (time.monotonic() - began) / seconds
            bar.update(min(100, int(100 * share)) - bar.n)
    return step, average


def _crop(images: Sequence[np.ndarray], generator: np.random.Generator) -> np.ndarray:
    """Cut a crop at random, flipped and turned; images count by their pixels, and small ones are mirrored on."""
    pixels = np.array([image.shape[0] * image.shape[1] for image in images], float)
    image = images[generator.choice(len(images), p=pixels / pixels.sum())]
    lack = [max(0, CROP - side) for side in image.shape[:2]]
    if any(lack):
        image = np.pad(image, [(0, lack[0]), (0, lack[1]), (0, 0)], mode='symmetric')
    top, left = (int(generator.integers(side - CROP + 1)) for side in image.shape[:2])
    crop = np.rot90(image[top : top + CROP, left : left + CROP], int(generator.integers(4)))
    return crop[:, ::-1] if generator.random() < 0.5 else crop


def _recorrupted(noisy: np.ndarray, noise: NoiseModel, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    more = noise.level_in(noisy) * noise.draw(CROP, CROP, generator)
    share = np.float32(generator.uniform(0.5, 1))
    return noisy + share * more, noisy - more / share


def _synthetic(clean: np.ndarray, noise: NoiseModel, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    level = np.float32(generator.uniform(0.7, 1.3))
    noisy = clean + level * noise.level(clean) * noise.draw(CROP, CROP, generator)
    return (noisy.clip(0, 1) * 255).round() / np.float32(255), np.ascontiguousarray(clean)
