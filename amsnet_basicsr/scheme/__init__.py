"""The asymmetric mask scheme, and AP-BSN beside it, in plain PyTorch: nothing of BasicSR, options or files."""

from amsnet_basicsr.scheme.apbsn import (
    PixelDownsampleDenoiser,
    average_replacements,
    bordered_denoise,
    mosaic_denoise,
    mosaic_downsample,
    mosaic_upsample,
)
from amsnet_basicsr.scheme.denoiser import AsymmetricMaskDenoiser
from amsnet_basicsr.scheme.mask import hide, random_partition
from amsnet_basicsr.scheme.mmdb import multi_branch_denoise
from amsnet_basicsr.scheme.pad import pad_to_multiple, required_multiple, same_size_forward
from amsnet_basicsr.scheme.pixel_shuffle import pixel_downsample, pixel_upsample
from amsnet_basicsr.scheme.refine import R3, PartitionAverage, build_refinement, random_replacement
from amsnet_basicsr.scheme.tile import tiled_forward

__all__ = [
    'R3',
    'AsymmetricMaskDenoiser',
    'PartitionAverage',
    'PixelDownsampleDenoiser',
    'average_replacements',
    'bordered_denoise',
    'build_refinement',
    'hide',
    'mosaic_denoise',
    'mosaic_downsample',
    'mosaic_upsample',
    'multi_branch_denoise',
    'pad_to_multiple',
    'pixel_downsample',
    'pixel_upsample',
    'random_partition',
    'random_replacement',
    'required_multiple',
    'same_size_forward',
    'tiled_forward',
]
