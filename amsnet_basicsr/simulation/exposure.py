"""Series of simulated images: sensitivity, Bayer pattern and JPEG quality drawn for each, always the same ones."""

import dataclasses
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import cv2
import numpy as np
import torch

from amsnet_basicsr.options.reader import refuse_unknown
from amsnet_basicsr.simulation.camera import Camera
from amsnet_basicsr.simulation.demosaic import BAYER_PATTERNS
from amsnet_basicsr.simulation.profiles import PROFILES, CameraProfile

#: Options of a simulation, as dataset options and as the script's.
SIMULATION_KEYS = frozenset(['camera', 'iso', 'jpeg', 'seed'])
DEFAULT_ISO = (3200.0, 3200.0)
#: What may be changed of a profile; its noise follows from the ISO number.
_PROCESSING = ('white_balance', 'pattern', 'correction', 'color_matrix')
_RANDOM = 'random'


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
        """Take the noisy image.

        Args:
            scene: sRGB image, (H, W, 3), uint8.

        Returns:
            sRGB image, (H, W, 3), uint8.
        """
        image = self.camera.expose(scene, torch.Generator().manual_seed(self.seed))
        return image if self.jpeg is None else jpeg_and_back(image, self.jpeg)

    def clean(self, scene: np.ndarray) -> np.ndarray:
        """Take the image without noise and without JPEG; arguments and result as of `noisy`."""
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
    iso: tuple[float, float] = DEFAULT_ISO
    jpeg: tuple[int, int] | None = None
    random_pattern: bool = False
    seed: int = 0

    @classmethod
    def from_options(cls, opt: Mapping[str, Any], where: str) -> 'Simulation':
        """Read the options.

        Args:
            opt: Options; read are
                camera (str | dict): Name of a profile in `PROFILES`; or values of `Camera`; or `profile: NAME` and
                    those of `white_balance`, `pattern`, `correction`, `color_matrix` that shall differ. `pattern` may
                    be `random`. Default: `Camera()`.
                iso (float | list): ISO number, or lowest and highest. Needs a profile. Default: 3200.
                jpeg (int | list): JPEG quality, or lowest and highest. Default: none.
                seed (int): Default: 0.
            where: Name of the options, for errors.

        Returns:
            The simulation.

        Raises:
            ValueError: For unknown names and impossible values; the message says which.
        """
        settings = opt.get('camera')
        settings = {'profile': settings} if isinstance(settings, str) else settings or {}
        if not isinstance(settings, Mapping):
            raise ValueError(f'{where}: camera must be the name of a profile or a group of values, got {settings!r}')
        settings = dict(settings)
        profile = settings.pop('profile', None)
        random_pattern = settings.get('pattern') == _RANDOM
        if random_pattern:
            del settings['pattern']
        elif settings.get('pattern') not in (None, *BAYER_PATTERNS):
            patterns = ', '.join((*BAYER_PATTERNS, _RANDOM))
            raise ValueError(f'{where}: camera: pattern must be one of {patterns}, got {settings["pattern"]!r}')
        try:
            if profile is None:
                refuse_unknown(settings, [*Camera.__dataclass_fields__, 'profile'], 'camera')
                camera: Camera | CameraProfile = Camera(**settings)
            else:
                camera = _profile(profile, settings)
            iso, jpeg = _iso(opt.get('iso'), camera), _jpeg(opt.get('jpeg'))
        except ValueError as error:
            raise ValueError(f'{where}: {error}') from error
        seed = opt.get('seed', 0)
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise ValueError(f'{where}: seed must be a whole number, got {seed!r}')
        return cls(camera, iso, jpeg, random_pattern, seed)

    def exposure(self, name: str, shot: int = 0) -> Exposure:
        """Draw the settings of one image; they depend on the arguments and the seed alone, on no order of calls.

        Args:
            name: Name of the scene.
            shot: Number of the image of this scene.

        Returns:
            The settings.
        """
        key = f'{self.seed}/{name}/{shot}'
        seed = zlib.crc32(key.encode())
        # Apart from the noise's source: an option more or less doesn't change the noise.
        rng = np.random.default_rng(zlib.crc32(f'{key}/settings'.encode()))
        position, compression, pattern = rng.random(), rng.random(), rng.integers(4)
        iso, camera = None, self.camera
        if isinstance(camera, CameraProfile):
            low, high = map(math.log, self.iso)
            iso = self.iso[0] if low == high else math.exp(low + position * (high - low))
            camera = camera.at_iso(iso)
        if self.random_pattern:
            camera = dataclasses.replace(camera, pattern=list(BAYER_PATTERNS)[pattern])
        jpeg = None
        if self.jpeg is not None:
            jpeg = self.jpeg[0] + int(compression * (self.jpeg[1] - self.jpeg[0] + 1))
        return Exposure(camera, seed, iso, jpeg)


def jpeg_and_back(image: np.ndarray, quality: int) -> np.ndarray:
    """Compress an image as JPEG, with colour at half resolution as phones do, and decode it.

    Args:
        image: sRGB image, (H, W, 3), uint8.
        quality: 1 to 100.

    Returns:
        sRGB image, (H, W, 3), uint8.
    """
    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]
    _, content = cv2.imencode('.jpg', image[..., ::-1], settings)
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert decoded is not None  # it has just been written
    return decoded[..., ::-1].copy()


def _profile(name: Any, changes: dict[str, Any]) -> CameraProfile:
    if name not in PROFILES:
        raise ValueError(f'camera: there is no profile {name!r}; there are: {", ".join(PROFILES)}')
    if fixed := [key for key in ('shot', 'read') if key in changes]:
        raise ValueError(f'camera: {" and ".join(fixed)} follow from the ISO number of a profile; take them out')
    refuse_unknown(changes, [*_PROCESSING, 'profile'], f'camera (profile {name})')
    profile = dataclasses.replace(PROFILES[name], **changes)
    profile.at_iso(100)  # checks the values
    return profile


def _iso(value: Any, camera: Camera | CameraProfile) -> tuple[float, float]:
    if value is None:
        return DEFAULT_ISO
    if not isinstance(camera, CameraProfile):
        raise ValueError(f'iso: needs a camera with a profile; camera: NAME, of {", ".join(PROFILES)}')
    low, high = _range(value, 'iso', Real)
    if low <= 0:
        raise ValueError(f'iso must be above 0, got {value!r}')
    return float(low), float(high)


def _jpeg(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    low, high = _range(value, 'jpeg', int)
    if low < 1 or high > 100:
        raise ValueError(f'jpeg: qualities go from 1 to 100, got {value!r}')
    return low, high


def _range(value: Any, name: str, kind: type) -> tuple[Any, Any]:
    bounds: tuple[Any, ...] = tuple(value) if isinstance(value, (list, tuple)) else (value, value)
    fit = all(isinstance(item, kind) and not isinstance(item, bool) for item in bounds)
    if len(bounds) != 2 or not fit or not all(map(math.isfinite, bounds)) or bounds[0] > bounds[1]:
        what = 'whole numbers' if kind is int else 'numbers'
        raise ValueError(f'{name} must be one number, or [lowest, highest], in {what}; got {value!r}')
    return bounds[0], bounds[1]
