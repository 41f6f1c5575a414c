"""The `scheme` block: how images are split, hidden and denoised."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, model_validator
from torch import nn

from amsnet_basicsr.options.blocks.base import Block, Positive, Whole
from amsnet_basicsr.options.blocks.messages import Wanted
from amsnet_basicsr.scheme import AsymmetricMaskDenoiser, PixelDownsampleDenoiser, Refinement, build_refinement

#: More samples, branches or a larger stride are nobody's, and would take any memory.
_MOST = 256


def _refinement(value: Any) -> Refinement | None:
    if isinstance(value, Refinement):
        return value
    try:
        refine = build_refinement(value)
    except TypeError as error:
        raise ValueError(f'refine: {error}') from error
    if refine is not None and refine.samples > _MOST:
        raise ValueError(f'refine: samples must be at most {_MOST}, got {refine.samples}')
    return refine


def _refinement_options(refine: Refinement | None) -> dict[str, Any] | None:
    return None if refine is None else refine.options()


Refine = Annotated[
    Refinement | None,
    PlainValidator(_refinement),
    PlainSerializer(_refinement_options),
    Wanted('a refinement, such as {type: R3}, or ~'),
]


class Masks(Block):
    """How pixels are hidden."""

    branches: Annotated[int, Field(ge=2, le=_MOST - 1)] = 2
    """Number of branches k; one in k pixels is hidden at a time."""
    mask_per_channel: bool = False
    """Draw a mask for each channel instead of one for all."""


class DenoiserScheme(Masks):
    """How a `Denoiser` runs its network; stored in the metadata of weights. The `scheme` block is `SchemeOptions`."""

    type: Literal['amsnet', 'plain'] = 'amsnet'
    """`amsnet`: complementary masks over sub-images; `plain`: one pass of the network, and nothing else counts."""
    stride: Annotated[int, Field(ge=1, le=_MOST)] = 2
    """Stride of pixel-downsampling."""
    refine: Refine = None
    """Refinement of the denoised image."""

    def __init__(self, type: str = 'amsnet', **settings: Any) -> None:
        super().__init__(type=type, **settings)  # type: ignore[call-arg]

    def metadata(self) -> dict[str, Any]:
        """Return what a file of weights says of it."""
        if self.type == 'plain':
            return {'type': 'plain'}
        always = {'type': self.type, 'stride': self.stride, 'branches': self.branches}
        return {**always, **self.model_dump(exclude_defaults=True)}


class Tile(Block):
    """Tiles of the network's input."""

    size: Positive
    """Side of a tile in pixels."""
    overlap: Whole | None = None
    """Pixels that neighbours share; default: a quarter of the size, at most 64."""

    @model_validator(mode='after')
    def _overlap_leaves_room(self) -> 'Tile':
        if 2 * (self.overlap or 0) >= self.size:
            raise ValueError(f'the overlap must be less than half the size, got {self.overlap} of {self.size}')
        return self


class CommonOptions(Block):
    """Settings that every scheme has; defaults are the papers'."""

    train_stride: Positive = 5
    """Stride of pixel-downsampling while training; `crop_size` must be a multiple of it."""
    test_stride: Positive = 2
    """Stride of pixel-downsampling while denoising."""
    seed: Whole = 0
    """Seed of the random choices while denoising."""
    refine: Refine = None
    """Refinement of the denoised image: `{type: R3, samples: 8, prob: 0.16}`, `{type: PartitionAverage, samples: 8}`
    or `~`."""
    tile: Annotated[Tile | None, Wanted('~ or {size: 512, overlap: 64}')] = None
    """Run the network in tiles while denoising, which bounds memory: `{size: 512, overlap: 64}`; `~`: whole images."""
    size_multiple: Positive | None = None
    """What the sides of the network's input must be divisible by; `~` finds out."""
    max_pixels: Positive = 2**16
    """Most pixels in one pass of the network while denoising."""

    def _for_denoiser(self, size_multiple: int) -> dict[str, Any]:
        return {
            'stride': self.test_stride,
            'seed': self.seed,
            'refine': self.refine,
            'tile': self.tile.model_dump(exclude_none=True) if self.tile else None,
            'size_multiple': size_multiple,
            'max_pixels': self.max_pixels,
        }


class SchemeOptions(Masks, CommonOptions):
    """Settings of the asymmetric mask scheme (AMSNetModel)."""

    def denoising(self) -> DenoiserScheme:
        """Return what counts of it once a network is trained."""
        return DenoiserScheme(
            stride=self.test_stride, branches=self.branches, mask_per_channel=self.mask_per_channel, refine=self.refine
        )

    def denoiser(self, net: nn.Module, size_multiple: int) -> AsymmetricMaskDenoiser:
        """Build the denoiser of these settings around a network with this size multiple."""
        return AsymmetricMaskDenoiser(
            net, branches=self.branches, mask_per_channel=self.mask_per_channel, **self._for_denoiser(size_multiple)
        )


class APBSNOptions(CommonOptions):
    """Settings of AP-BSN (APBSNModel)."""

    pad: Whole = 2
    """Zeros on each side of each sub-image in the mosaic."""

    @model_validator(mode='after')
    def _refinement_without_masks(self) -> 'APBSNOptions':
        if self.refine is not None and self.refine.needs_partitions:
            raise ValueError('refine: AP-BSN has no partitions to average over; it takes {type: R3} or ~')
        return self

    def denoiser(self, net: nn.Module, size_multiple: int) -> PixelDownsampleDenoiser:
        """Build the denoiser of these settings around a network with this size multiple."""
        return PixelDownsampleDenoiser(net, pad=self.pad, **self._for_denoiser(size_multiple))
