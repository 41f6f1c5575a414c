"""Pairs of noisy and clean images: reading them, and PSNR and SSIM of what becomes of the noisy ones."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import amsnet_basicsr  # noqa: F401 (before BasicSR)

# isort: split
import numpy as np
from basicsr.metrics import calculate_psnr, calculate_ssim
from tqdm import tqdm

from amsnet_basicsr.images import READ_SUFFIXES, ImageData, decode_image, read_bytes, to_8_bit

Denoise = Callable[[np.ndarray], np.ndarray]


def read_rgb(path: Path) -> np.ndarray:
    """Read an image as (H, W, 3) RGB, uint8; ImageError, which names the file, if it can't be read."""
    return to_8_bit(ImageData(decode_image(read_bytes(path), str(path)))).pixels


def image_names(listed: Path | None, folder: Path) -> list[str]:
    """Read the file names at the beginnings of a list's lines, or list the images of a folder."""
    if listed is None:
        return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in READ_SUFFIXES and path.is_file())
    return [line.split()[0] for line in listed.read_text(encoding='utf-8').splitlines() if line.strip()]


def psnr_and_ssim(image: np.ndarray, clean: np.ndarray) -> tuple[float, float]:
    """PSNR in dB and SSIM of BasicSR, whose taking BGR makes no difference to a mean over channels."""
    return calculate_psnr(image, clean, crop_border=0), calculate_ssim(image, clean, crop_border=0)


def measure(noisy: Sequence[np.ndarray], clean: Sequence[np.ndarray], denoise: Denoise) -> tuple[float, float, float]:
    """Denoise images; return mean PSNR and SSIM, and seconds for each megapixel."""
    seconds, figures = 0.0, []
    for image, reference in tqdm(list(zip(noisy, clean, strict=True)), leave=False, disable=None):
        start = time.perf_counter()
        denoised = denoise(image)
        seconds += time.perf_counter() - start
        figures.append(psnr_and_ssim(denoised, reference))
    psnr, ssim = np.mean(figures, axis=0)
    return psnr, ssim, 1e6 * seconds / sum(image.shape[0] * image.shape[1] for image in noisy)
