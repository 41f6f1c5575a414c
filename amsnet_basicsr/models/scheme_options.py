"""The `scheme:` block of an options file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from torch import nn

from amsnet_basicsr.options.reader import refuse_unknown
from amsnet_basicsr.scheme import (
    R3,
    AsymmetricMaskDenoiser,
    PartitionAverage,
    PixelDownsampleDenoiser,
    build_refinement,
)

Options = TypeVar('Options', bound='CommonOptions')

_LEAST = {
    'train_stride': 1, 'test_stride': 1, 'seed': 0, 'branches': 2, 'pad': 0, 'size_multiple': 1, 'max_pixels': 1,
}  # fmt: skip


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


@dataclass(frozen=True)
class CommonOptions:
    """Settings that every scheme has; defaults are the papers'.

    Attributes:
        train_stride: P_s while training.
        test_stride: P_s while denoising.
        seed: Seed of the random choices while denoising.
        refine: `R3`, `PartitionAverage` or None.
        tile: `{size, overlap}` in pixels of the network's input, or None.
        size_multiple: What the network's input sides must be divisible by; None finds out.
        max_pixels: Most pixels in one pass of the network while denoising.
    """

    train_stride: int = 5
    test_stride: int = 2
    seed: int = 0
    refine: R3 | PartitionAverage | None = None
    tile: Mapping[str, int] | None = None
    size_multiple: int | None = None
    max_pixels: int = 2**16

    @classmethod
    def from_options(cls: type[Options], options: Mapping[str, Any] | None) -> Options:
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
        defaults = {field.name: field.default for field in fields(cls)}
        for key, value in options.items():
            if key in _LEAST and (value is not None or defaults[key] is not None) and not _is_whole(value, _LEAST[key]):
                raise ValueError(f'scheme: {key} must be a whole number of at least {_LEAST[key]}, got {value!r}')
            if isinstance(defaults[key], bool) and not isinstance(value, bool):
                raise ValueError(f'scheme: {key} must be true or false, got {value!r}')
        tile = options.get('tile')
        if tile is not None:
            if not isinstance(tile, Mapping) or not _is_whole(tile.get('size'), 1):
                raise ValueError(f'scheme: tile must be ~ or {{size: 512, overlap: 64}}, got {tile!r}')
            refuse_unknown(tile, ('size', 'overlap'), 'scheme: tile')
            if not _is_whole(tile.get('overlap', 0), 0) or 2 * tile.get('overlap', 0) >= tile['size']:
                raise ValueError(f'scheme: tile overlap must be less than half its size, got {dict(tile)}')
        try:
            options['refine'] = build_refinement(options.get('refine'))
            return cls(**options)
        except ValueError as error:
            raise ValueError(f'scheme: {error}') from error


@dataclass(frozen=True)
class SchemeOptions(CommonOptions):
    """Settings of the mask scheme.

    Attributes:
        branches: Number of branches k; one in k pixels is hidden at a time.
        mask_per_channel: A mask for each channel instead of one for all.
    """

    branches: int = 2
    mask_per_channel: bool = False

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


@dataclass(frozen=True)
class APBSNOptions(CommonOptions):
    """Settings of AP-BSN.

    Attributes:
        pad: Zeros on each side of each sub-image in the mosaic.
    """

    pad: int = 2

    def __post_init__(self) -> None:
        """Refuse a refinement that needs masks."""
        if isinstance(self.refine, PartitionAverage):
            raise ValueError('refine: AP-BSN has no partitions to average over; it takes {type: R3} or ~')

    def denoiser(self, net: nn.Module, size_multiple: int) -> PixelDownsampleDenoiser:
        """Build the denoiser of these settings around a network.

        Args:
            net: The network.
            size_multiple: The network's size multiple.

        Returns:
            The denoiser.
        """
        return PixelDownsampleDenoiser(
            net,
            stride=self.test_stride,
            pad=self.pad,
            seed=self.seed,
            refine=self.refine,
            tile=self.tile,
            size_multiple=size_multiple,
            max_pixels=self.max_pixels,
        )
