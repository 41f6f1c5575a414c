"""The options of a simulated camera."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

import numpy as np
from annotated_types import Ge, Le
from pydantic import AfterValidator, Field

from amsnet_basicsr.options.blocks.base import AboveZero, Block, NotNegative, Pair, Text
from amsnet_basicsr.options.blocks.messages import Wanted

T = TypeVar('T')
Row = tuple[float, float, float]
_Gain = Annotated[float, Ge(1)]
_Quality = Annotated[int, Ge(1), Le(100)]


def _is_ordered(value: T) -> T:
    if isinstance(value, Sequence) and value[0] > value[1]:
        raise ValueError
    return value


def _keeps_grey(rows: tuple[Row, Row, Row]) -> tuple[Row, Row, Row]:
    if any(abs(sum(row) - 1) > 1e-3 for row in rows):
        raise ValueError
    if abs(np.linalg.det(np.asarray(rows))) < 0.05:
        raise ValueError(f'this cannot be inverted: {rows}')
    return rows


WhiteBalance = Annotated[tuple[_Gain, _Gain, _Gain], Wanted('three gains of at least 1')]
ColorMatrix = Annotated[
    tuple[Row, Row, Row], AfterValidator(_keeps_grey), Wanted('three rows of three numbers that add up to 1')
]
Pattern = Annotated[Literal['RGGB', 'BGGR', 'GRBG', 'GBRG', 'random'], Wanted('one of RGGB, BGGR, GRBG, GBRG, random')]


class CameraOptions(Block):
    """A camera: a profile with changed processing, or one of fixed noise."""

    profile: Text | None = None
    """Name of a profile: `phone`, `small_phone`, `large_phone` or `dslr`. Its noise follows from the ISO number."""
    shot: NotNegative | None = None
    """Variance of the shot noise per unit of linear signal; not with a profile. Default: 0.01."""
    read_noise: NotNegative | None = Field(None, alias='read')
    """Standard deviation of the read noise; not with a profile. Default: 0.01."""
    white_balance: WhiteBalance | None = None
    """Gains of red, green and blue. Default: the profile's, or 2, 1, 1.7."""
    pattern: Pattern | None = None
    """Bayer pattern; `random` draws one for each image. Default: RGGB."""
    correction: NotNegative | None = None
    """Gradient correction of the demosaicing: 0 is bilinear, 1 that of Malvar, He and Cutler. Default: the profile's,
    or 0.5."""
    color_matrix: ColorMatrix | None = None
    """Rows of the matrix from the sensor's colours to linear sRGB. Default: the profile's, or none."""


Camera = Annotated[Text | CameraOptions, Wanted('the name of a profile or a group of values')]
Iso = Annotated[
    AboveZero | Pair[AboveZero], AfterValidator(_is_ordered), Wanted('one number above 0, or [lowest, highest]')
]
Jpeg = Annotated[
    _Quality | Pair[_Quality], AfterValidator(_is_ordered), Wanted('one quality from 1 to 100, or [lowest, highest]')
]


class SimulationOptions(Block):
    """A simulated camera and how it is set for each image."""

    camera: Camera | None = None
    """Name of a profile (`phone`, `small_phone`, `large_phone`, `dslr`); or `{profile: NAME, …}` with a changed
    `white_balance`, `pattern`, `correction` or `color_matrix`; or a camera of fixed noise: `{shot: 0.01, read: 0.01}`.
    Default: a camera of fixed noise."""
    iso: Iso | None = None
    """ISO number of a profile, or lowest and highest, drawn for each image. Default: 3200."""
    jpeg: Jpeg | None = None
    """Quality of JPEG compression of the noisy images, or lowest and highest. Default: no compression."""
    seed: Annotated[int, Ge(-(10**12)), Le(10**12)] = 0
    """Seed of the simulation."""
