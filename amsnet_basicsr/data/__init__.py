"""Datasets, registered with BasicSR on import."""

from amsnet_basicsr.data.camera_noise_dataset import CameraNoiseDataset
from amsnet_basicsr.data.noise_mixture_dataset import NoiseMixtureDataset
from amsnet_basicsr.data.noisy_image_dataset import NoisyImageDataset
from amsnet_basicsr.data.paired_photos_dataset import PairedPhotosDataset

__all__ = ['CameraNoiseDataset', 'NoiseMixtureDataset', 'NoisyImageDataset', 'PairedPhotosDataset']
