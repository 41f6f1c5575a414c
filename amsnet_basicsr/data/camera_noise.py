"""Pictures as a smartphone would have taken them: sensor noise made signal-dependent and correlated by the pipeline."""

from dataclasses import dataclass

import numpy as np
import torch

from amsnet_basicsr.data.demosaic import BAYER_PATTERNS, bayer_mosaic, demosaic


@dataclass(frozen=True)
class Camera:
    """A simple camera: sensor noise and the processing after it.

    Attributes:
        shot: Variance of the shot noise per unit of linear signal, which is 1 at white level.
        read: Standard deviation of the read noise in the same unit.
        white_balance: Gains of red, green and blue, at least 1.
        pattern: Bayer pattern, see `BAYER_PATTERNS`.
        correction: Strength of the demosaicing's gradient correction, see `demosaic`.
    """

    shot: float = 0.01
    read: float = 0.01
    white_balance: tuple[float, float, float] = (2.0, 1.0, 1.7)
    pattern: str = 'RGGB'
    correction: float = 0.5

    def __post_init__(self) -> None:
        """Refuse cameras that cannot be."""
        if self.pattern not in BAYER_PATTERNS:
            raise ValueError(f'camera: pattern must be one of {", ".join(BAYER_PATTERNS)}, got {self.pattern!r}')
        if self.shot < 0 or self.read < 0 or len(self.white_balance) != 3 or min(self.white_balance) < 1:
            raise ValueError(f'camera: shot and read must not be negative, and three gains at least 1, got {self}')

    def expose(self, scene: np.ndarray, generator: torch.Generator | None) -> np.ndarray:
        """Take a picture of a scene.

        Linearise, undo the white balance, mosaic, add shot and read noise, clip as the sensor does, demosaic, white
        balance, gamma, round to 8 bit. Without noise the same steps give the clean picture that belongs to the noisy
        ones (as the mean of many shots, which SIDD uses for ground truth, would).

        Args:
            scene: sRGB picture, (H, W, 3), uint8.
            generator: Source of the noise; None takes the clean picture.

        Returns:
            sRGB picture, (H, W, 3), uint8.
        """
        gains = np.asarray(self.white_balance, np.float32)
        mosaic = bayer_mosaic(srgb_to_linear(scene) / gains, self.pattern)
        if generator is not None:
            mosaic = add_sensor_noise(torch.from_numpy(mosaic), self.shot, self.read, generator).numpy()
        linear = demosaic(mosaic.clip(0, 1), self.pattern, self.correction) * gains
        return linear_to_srgb(linear)


def add_sensor_noise(signal: torch.Tensor, shot: float, read: float, generator: torch.Generator) -> torch.Tensor:
    """Add Poisson shot noise and Gaussian read noise.

    Args:
        signal: Linear signal, any shape, in [0, 1].
        shot: Signal of one photoelectron, so that the variance is `shot` times the signal; 0 for none.
        read: Standard deviation of the read noise.
        generator: Source of randomness.

    Returns:
        The noisy signal, not clipped.
    """
    noise = read * torch.randn(signal.shape, generator=generator)
    return (torch.poisson(signal / shot, generator=generator) * shot if shot else signal) + noise


def srgb_to_linear(image: np.ndarray) -> np.ndarray:
    """Undo the sRGB transfer curve: uint8 to linear float32 in [0, 1]."""
    value = np.arange(256, dtype=np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)[image]


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Apply the sRGB transfer curve: linear float clipped to [0, 1], to uint8."""
    linear = linear.clip(0, 1)
    value = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (value * 255).round().astype(np.uint8)
