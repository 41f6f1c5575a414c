"""The asymmetric mask scheme and AP-BSN in plain PyTorch, without BasicSR, options or files."""

from amsnet_basicsr.scheme.apbsn import (
    PixelDownsampleDenoiser,
    bordered_denoise,
    mosaic_denoise,
    mosaic_downsample,
    mosaic_upsample,
)
from amsnet_basicsr.scheme.branches import multi_branch_denoise
from amsnet_basicsr.scheme.denoiser import AsymmetricMaskDenoiser
from amsnet_basicsr.scheme.mask import hide, random_partition
from amsnet_basicsr.scheme.pad import (
    channels_and_multiple,
    image_channels,
    pad_to_multiple,
    required_multiple,
    same_size_forward,
)
from amsnet_basicsr.scheme.pixel_shuffle import pixel_downsample, pixel_upsample
from amsnet_basicsr.scheme.refine import R3, REFINEMENTS, PartitionAverage, Refinement, build_refinement
from amsnet_basicsr.scheme.tile import tiled_forward

__all__ = [
    'R3',
    'REFINEMENTS',
    'AsymmetricMaskDenoiser',
    'PartitionAverage',
    'PixelDownsampleDenoiser',
    'Refinement',
    'bordered_denoise',
    'build_refinement',
    'channels_and_multiple',
    'hide',
    'image_channels',
    'mosaic_denoise',
    'mosaic_downsample',
    'mosaic_upsample',
    'multi_branch_denoise',
    'pad_to_multiple',
    'pixel_downsample',
    'pixel_upsample',
    'random_partition',
    'required_multiple',
    'same_size_forward',
    'tiled_forward',
]
