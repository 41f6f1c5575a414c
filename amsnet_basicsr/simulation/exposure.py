"""Series of simulated images: sensitivity, Bayer pattern and JPEG quality drawn for each, always the same ones."""

import dataclasses
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from amsnet_basicsr.options.blocks.simulation import SimulationOptions
from amsnet_basicsr.simulation.camera import Camera
from amsnet_basicsr.simulation.demosaic import BAYER_PATTERNS
from amsnet_basicsr.simulation.jpeg import jpeg_and_back
from amsnet_basicsr.simulation.profiles import PROFILES, CameraProfile

DEFAULT_ISO = 3200.0


@dataclass(frozen=True)
class Exposure:
    """One image to take.

    Attributes:
        camera: The camera as it is set.
        seed: Seed of the noise.
        iso: ISO number, if the camera has a profile.
        jpeg: Quality the noisy image is compressed with, or None.
    """

    camera: Camera
    seed: int
    iso: float | None = None
    jpeg: int | None = None

    def noisy(self, scene: np.ndarray) -> np.ndarray:
        """Take the noisy image of a scene; both sRGB, (H, W, 3), uint8."""
        image = self.camera.expose(scene, torch.Generator().manual_seed(self.seed))
        return image if self.jpeg is None else jpeg_and_back(image, self.jpeg)

    def clean(self, scene: np.ndarray) -> np.ndarray:
        """Take the image without noise and without JPEG."""
        return self.camera.expose(scene, None)

    def record(self) -> dict[str, Any]:
        """Return all values in plain types, for a file."""
        return {'iso': self.iso, 'jpeg': self.jpeg, 'seed': self.seed, **dataclasses.asdict(self.camera)}


@dataclass(frozen=True)
class Simulation:
    """Draws the exposures.

    Attributes:
        camera: A camera with fixed noise, or a profile, whose noise follows from the ISO number.
        iso: Lowest and highest ISO number, drawn evenly on a logarithmic scale; used with a profile.
        jpeg: Lowest and highest quality of JPEG compression, or None.
        random_pattern: Draw one of the four Bayer patterns for each image.
        seed: Seed of everything.
    """

    camera: Camera | CameraProfile
    iso: tuple[float, float] = (DEFAULT_ISO, DEFAULT_ISO)
    jpeg: tuple[int, int] | None = None
    random_pattern: bool = False
    seed: int = 0

    @classmethod
    def of(cls, options: SimulationOptions, where: str) -> 'Simulation':
        """Make it of options; `where` names them in errors.

        Raises:
            ValueError: For an unknown profile, and for values that go with a profile only, or not with one.
        """
        changes: dict[str, Any] = {}
        if isinstance(options.camera, str):
            changes = {'profile': options.camera}
        elif options.camera is not None:
            changes = options.camera.model_dump(by_alias=True, exclude_none=True)
        name = changes.pop('profile', None)
        random_pattern = changes.get('pattern') == 'random'
        if random_pattern:
            del changes['pattern']
        camera: Camera | CameraProfile = Camera(**changes) if name is None else _profile(name, changes, where)
        if name is None and options.iso is not None:
            raise ValueError(f'{where}: iso: needs a camera with a profile; camera: NAME, of {", ".join(PROFILES)}')
        jpeg = None if options.jpeg is None else _range(options.jpeg)
        return cls(camera, _range(options.iso or DEFAULT_ISO), jpeg, random_pattern, options.seed)

    def exposure(self, name: str, shot: int = 0) -> Exposure:
        """Draw the settings of one image; they depend on the arguments and the seed alone, on no order of calls.

        Args:
            name: Name of the scene.
            shot: Number of the image of this scene.
        """
        key = f'{self.seed}/{name}/{shot}'
        seed = zlib.crc32(key.encode())
        # Apart from the noise's source: an option more or less doesn't change the noise.
        rng = np.random.default_rng(zlib.crc32(f'{key}/settings'.encode()))
        position, compression, pattern = rng.random(), rng.random(), rng.integers(4)
        iso, jpeg, camera = None, None, self.camera
        if isinstance(camera, CameraProfile):
            low, high = map(math.log, self.iso)
            iso = self.iso[0] if low == high else math.exp(low + position * (high - low))
            camera = camera.at_iso(iso)
        if self.random_pattern:
            camera = dataclasses.replace(camera, pattern=list(BAYER_PATTERNS)[pattern])
        if self.jpeg is not None:
            jpeg = self.jpeg[0] + int(compression * (self.jpeg[1] - self.jpeg[0] + 1))
        return Exposure(camera, seed, iso, jpeg)


def _profile(name: str, changes: dict[str, Any], where: str) -> CameraProfile:
    if name not in PROFILES:
        raise ValueError(f'{where}: camera: there is no profile {name!r}; there are: {", ".join(PROFILES)}')
    if fixed := [key for key in ('shot', 'read') if key in changes]:
        raise ValueError(
            f'{where}: camera: {" and ".join(fixed)} follow from the ISO number of a profile; take them out'
        )
    profile = PROFILES[name]
    return dataclasses.replace(profile, processing=dataclasses.replace(profile.processing, **changes))


def _range(value: Any) -> tuple[Any, Any]:
    low, high = value if isinstance(value, Sequence) else (value, value)
    return low, high
