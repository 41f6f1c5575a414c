"""The `scheme:` block of an options file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import nn

from amsnet_basicsr.options import refuse_unknown
from amsnet_basicsr.scheme import R3, AsymmetricMaskDenoiser, PartitionAverage, build_refinement


@dataclass(frozen=True)
class SchemeOptions:
    """Settings of the mask scheme; defaults are the paper's.

    Attributes:
        train_stride: P_s while training.
        test_stride: P_s while denoising.
        branches: Number of branches k; one in k pixels is hidden at a time.
        mask_per_channel: A mask for each channel instead of one for all.
        seed: Seed of the masks while denoising.
        refine: `R3`, `PartitionAverage` or None.
        tile: `{size, overlap}` in pixels of the network's input, or None.
        size_multiple: What the network's input sides must be divisible by; None finds out.
        max_pixels: Most pixels in one pass of the network while denoising.
    """

    train_stride: int = 5
    test_stride: int = 2
    branches: int = 2
    mask_per_channel: bool = False
    seed: int = 0
    refine: R3 | PartitionAverage | None = None
    tile: Mapping[str, int] | None = None
    size_multiple: int | None = None
    max_pixels: int = 2**18

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None) -> 'SchemeOptions':
        """Read the block.

        Args:
            options: The block, or None for the defaults.

        Returns:
            The settings.

        Raises:
            ValueError: For unknown keys and impossible values; the message names the key.
        """
        options = dict(options or {})
        refuse_unknown(options, (field.name for field in fields(cls)), 'scheme')
        for key, least in {
            'train_stride': 1,
            'test_stride': 1,
            'branches': 2,
            'size_multiple': 1,
            'max_pixels': 1,
        }.items():
            value = options.get(key)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
                raise ValueError(f'scheme: {key} must be a whole number of at least {least}, got {value!r}')
        tile = options.get('tile')
        if tile is not None:
            if not isinstance(tile, Mapping) or 'size' not in tile:
                raise ValueError(f'scheme: tile must be ~ or {{size: 512, overlap: 64}}, got {tile!r}')
            refuse_unknown(tile, ('size', 'overlap'), 'scheme: tile')
            if not 0 <= 2 * tile.get('overlap', 64) < tile['size']:
                raise ValueError(f'scheme: tile overlap must be less than half its size, got {dict(tile)}')
        try:
            options['refine'] = build_refinement(options.get('refine'))
        except ValueError as error:
            raise ValueError(f'scheme: {error}') from error
        return cls(**options)

    def denoiser(self, net: nn.Module, size_multiple: int) -> AsymmetricMaskDenoiser:
        """Build the denoiser of these settings around a network.

        Args:
            net: The network.
            size_multiple: The network's size multiple.

        Returns:
            The denoiser.
        """
        return AsymmetricMaskDenoiser(
            net,
            stride=self.test_stride,
            branches=self.branches,
            mask_per_channel=self.mask_per_channel,
            seed=self.seed,
            refine=self.refine,
            tile=self.tile,
            size_multiple=size_multiple,
            max_pixels=self.max_pixels,
        )
