"""Datasets, registered with BasicSR on import; the module of each is imported when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from basicsr.utils.registry import DATASET_REGISTRY

if TYPE_CHECKING:
    from amsnet_basicsr.data.camera_noise_dataset import CameraNoiseDataset
    from amsnet_basicsr.data.noise_mixture_dataset import NoiseMixtureDataset
    from amsnet_basicsr.data.noisy_image_dataset import NoisyImageDataset
    from amsnet_basicsr.data.paired_photos_dataset import PairedPhotosDataset

__all__ = ['CameraNoiseDataset', 'NoiseMixtureDataset', 'NoisyImageDataset', 'PairedPhotosDataset']

_MODULES = {
    'CameraNoiseDataset': 'camera_noise_dataset',
    'NoiseMixtureDataset': 'noise_mixture_dataset',
    'NoisyImageDataset': 'noisy_image_dataset',
    'PairedPhotosDataset': 'paired_photos_dataset',
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_MODULES[name]}'), name)


def _register(name: str) -> None:
    """Register a function under the name of a dataset: to BasicSR, which calls it with the options, it is the class."""

    def build(opt: dict[str, Any]) -> Any:
        return __getattr__(name)(opt)

    build.__name__ = name
    DATASET_REGISTRY.register(build)


for _name in _MODULES:
    _register(_name)
