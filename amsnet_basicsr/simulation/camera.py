"""Images as a smartphone would have taken them: sensor noise made signal-dependent and correlated by the pipeline."""

from dataclasses import dataclass

import numpy as np
import torch

from amsnet_basicsr.simulation.demosaic import bayer_mosaic, demosaic
from amsnet_basicsr.simulation.srgb import to_linear, to_srgb


@dataclass(frozen=True)
class Camera:
    """A simple camera: sensor noise and the processing after it.

    Attributes:
        shot: Variance of the shot noise per unit of linear signal, which is 1 at white level.
        read: Standard deviation of the read noise in the same unit.
        white_balance: Gains of red, green and blue, at least 1.
        pattern: Bayer pattern, see `BAYER_PATTERNS`.
        correction: Strength of the demosaicing's gradient correction, see `demosaic`.
        color_matrix: Rows of the 3×3 matrix from the white-balanced colours of the sensor to linear sRGB; each adds up
            to 1, so that grey stays grey. None for none.
    """

    shot: float = 0.01
    read: float = 0.01
    white_balance: tuple[float, float, float] = (2.0, 1.0, 1.7)
    pattern: str = 'RGGB'
    correction: float = 0.5
    color_matrix: tuple[tuple[float, float, float], ...] | None = None

    def expose(self, scene: np.ndarray, generator: torch.Generator | None) -> np.ndarray:
        """Take an image of a scene.

        Linearise, undo colour matrix and white balance, mosaic, add shot and read noise, clip as the sensor does,
        demosaic, white balance, colour matrix, gamma, round to 8 bit. Without noise the same steps give the clean
        image that belongs to the noisy ones (as the mean of many shots, which SIDD uses for ground truth, would).

        Args:
            scene: sRGB image, (H, W, 3), uint8, at least 3×3.
            generator: Source of the noise; None takes the clean image.

        Returns:
            sRGB image, (H, W, 3), uint8.
        """
        gains = np.asarray(self.white_balance, np.float32)
        linear = srgb_to_linear(scene)
        matrix = None if self.color_matrix is None else np.asarray(self.color_matrix, np.float32)
        if matrix is not None:
            # Colours that no light on this sensor can give are moved to the nearest that some can.
            linear = (linear @ np.linalg.inv(matrix).T).clip(0, 1)
        mosaic = bayer_mosaic(linear / gains, self.pattern)
        if generator is not None:
            mosaic = add_sensor_noise(torch.from_numpy(mosaic), self.shot, self.read, generator).numpy()
        linear = demosaic(mosaic.clip(0, 1), self.pattern, self.correction) * gains
        if matrix is not None:
            # Clipped first: a channel that is far above white would otherwise tint highlights.
            linear = linear.clip(0, 1) @ matrix.T
        return linear_to_srgb(linear)


def add_sensor_noise(signal: torch.Tensor, shot: float, read: float, generator: torch.Generator) -> torch.Tensor:
    """Add Poisson shot noise, of variance `shot` times the signal, and Gaussian read noise; clips nothing."""
    noise = read * torch.randn(signal.shape, generator=generator)
    return (torch.poisson(signal / shot, generator=generator) * shot if shot else signal) + noise


def srgb_to_linear(image: np.ndarray) -> np.ndarray:
    """Undo the sRGB transfer curve: uint8 to linear float32 in [0, 1]."""
    return to_linear(np.arange(256, dtype=np.float32) / 255).astype(np.float32)[image]


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Apply the sRGB transfer curve: linear float clipped to [0, 1], to uint8."""
    return (to_srgb(linear.clip(0, 1)) * 255).round().astype(np.uint8)
