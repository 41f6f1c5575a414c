"""Datasets, registered with BasicSR on import."""

from amsnet_basicsr.patches import compat

compat.prepare_import()  # a data worker may get here first

from amsnet_basicsr.data.camera_noise_dataset import CameraNoiseDataset  # noqa: E402
from amsnet_basicsr.data.noise_mixture_dataset import NoiseMixtureDataset  # noqa: E402
from amsnet_basicsr.data.noisy_image_dataset import NoisyImageDataset  # noqa: E402
from amsnet_basicsr.data.paired_photos_dataset import PairedPhotosDataset  # noqa: E402

__all__ = ['CameraNoiseDataset', 'NoiseMixtureDataset', 'NoisyImageDataset', 'PairedPhotosDataset']
