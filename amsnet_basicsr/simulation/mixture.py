"""Noise of any kind on a clean image: one of many kinds or a simulated camera, drawn."""

import numpy as np
import torch

from amsnet_basicsr.simulation.noise_kinds import KINDS, jpeg, sharpen
from amsnet_basicsr.simulation.profiles import PROFILES

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def add_drawn_noise(clean: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Add noise of one of `noise_kinds.KINDS` or of a simulated camera; the channels are permuted first.

    Some images are grey; some are sharpened or compressed as JPEG after that.

    Args:
        clean: Image, (H, W, 3), float32 from 0 to 255.
        generator: Source of randomness.

    Returns:
        The noisy image and the clean one to compare with, likewise, not clipped.
    """
    clean = clean[..., generator.permutation(3)]
    grey = generator.random() < 0.15
    if grey:
        clean = np.repeat((clean @ _GREY)[..., None], 3, axis=2)
    kind = int(generator.integers(len(KINDS) + 3))
    if kind < len(KINDS):
        noisy = list(KINDS.values())[kind](clean, generator)
    elif kind == len(KINDS):
        noisy, clean = _take(clean, generator)
    else:
        noisy = KINDS['grey' if generator.random() < 0.2 else 'white'](clean, generator)
    if grey:  # one channel for all: the noise of grey images is alike in the three
        noisy = np.repeat(noisy[..., :1], 3, axis=2)
        clean = np.repeat(clean[..., :1], 3, axis=2)
    if generator.random() < 0.12:
        radius, amount = generator.uniform(0.6, 1.5), generator.uniform(0.2, 1.2)
        noisy, clean = sharpen(noisy.clip(0, 255), radius, amount), sharpen(clean, radius, amount)
    if generator.random() < 0.2:
        noisy = jpeg(noisy, generator)
    return noisy, clean


def _take(clean: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take a scene with a random camera of random sensitivity: noisy, and without noise."""
    names = sorted(PROFILES)
    camera = PROFILES[names[int(generator.integers(len(names)))]].at_iso(float(50 * 2 ** generator.uniform(0, 8)))
    scene = clean.round().clip(0, 255).astype(np.uint8)
    noise = torch.Generator().manual_seed(int(generator.integers(2**62)))
    return camera.expose(scene, noise).astype(np.float32), camera.expose(scene, None).astype(np.float32)
