"""Compare a camera profile with real pairs of noisy and clean images.

    python -m amsnet_basicsr.simulation.camera_match \
        --noisy datasets/sidd/noisy --clean datasets/sidd/clean --camera phone

Clean images get simulated noise, at the ISO number with which it is as strong as the real noise, and the residuals of
both are described: how strong they are by colour and by level, and how they correlate between neighbours and colours.
"""

import argparse
import math
import os.path as osp
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from amsnet_basicsr.data.camera_noise_dataset import find_scenes, read_scene
from amsnet_basicsr.simulation.profiles import PROFILES, CameraProfile
from amsnet_basicsr.simulation.simulation import Exposure

#: Limits of the levels, in 8-bit steps, by which the noise's strength is compared.
LEVELS = (0, 8, 16, 32, 64, 96, 128, 160, 200, 256)
_FEWEST_PIXELS = 1500
_HIGH_PASS_SIGMA = 8

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class ResidualStatistics:
    """Describes noise; all of the residual minus its Gaussian average of sigma 8.

    Attributes:
        std: Standard deviation by colour, (3,), in 8-bit steps.
        lag1: Autocorrelation at a distance of one pixel by colour, mean of both directions, (3,).
        lag2: The same at two pixels.
        across: Correlation of red and green, green and blue, red and blue, (3,).
        by_level: Standard deviation by colour and level of the clean image, (3, len(LEVELS) - 1); NaN where there
            are too few pixels.
    """

    std: np.ndarray
    lag1: np.ndarray
    lag2: np.ndarray
    across: np.ndarray
    by_level: np.ndarray


def residual_statistics(pairs: Sequence[Pair]) -> ResidualStatistics:
    """Describe the noise of some images.

    Args:
        pairs: Noisy and clean images, (H, W, 3) uint8 each.

    Returns:
        Their statistics; correlations are means over the images.
    """
    sums = np.zeros((2, 3, len(LEVELS) - 1))  # of squares, of pixels
    means = []
    for noisy, clean in pairs:
        residual = noisy.astype(np.float32) - clean
        high = residual - gaussian_filter(residual, (_HIGH_PASS_SIGMA, _HIGH_PASS_SIGMA, 0))
        variance = (high**2).mean((0, 1)).clip(1e-12)
        lags = [
            ((high[:, :-d] * high[:, d:]).mean((0, 1)) + (high[:-d] * high[d:]).mean((0, 1))) / 2 / variance
            for d in (1, 2)
        ]
        across = [
            (high[..., a] * high[..., b]).mean() / math.sqrt(variance[a] * variance[b])
            for a, b in ((0, 1), (1, 2), (0, 2))
        ]
        means.append((variance, *lags, across))
        # Smoothed, as clean images made of shots still hold a little noise.
        level = np.digitize(gaussian_filter(clean.astype(np.float32), (2, 2, 0)), LEVELS[1:-1])
        for colour in range(3):
            sums[0, colour] += np.bincount(
                level[..., colour].ravel(), high[..., colour].ravel() ** 2, minlength=len(LEVELS) - 1
            )
            sums[1, colour] += np.bincount(level[..., colour].ravel(), minlength=len(LEVELS) - 1)
    variance, lag1, lag2, across = (np.mean([mean[part] for mean in means], 0) for part in range(4))
    by_level = np.where(sums[1] >= _FEWEST_PIXELS, np.sqrt(sums[0] / sums[1].clip(1)), np.nan)
    return ResidualStatistics(np.sqrt(variance), lag1, lag2, across, by_level)


def simulate_pairs(profile: CameraProfile, iso: float, scenes: Sequence[np.ndarray]) -> list[Pair]:
    """Take noisy and clean images of some scenes.

    Args:
        profile: The camera.
        iso: ISO number.
        scenes: sRGB images, (H, W, 3), uint8.

    Returns:
        Noisy and clean images.
    """
    camera = profile.at_iso(iso)
    exposures = [Exposure(camera, seed) for seed in range(len(scenes))]
    return [(exposure.noisy(scene), exposure.clean(scene)) for exposure, scene in zip(exposures, scenes, strict=True)]


def fit_iso(profile: CameraProfile, scenes: Sequence[np.ndarray], std: float, steps: int = 10) -> float:
    """Find the ISO number with which the noise is as strong as wanted.

    Args:
        profile: The camera.
        scenes: sRGB images, (H, W, 3), uint8.
        std: Wanted standard deviation, mean over colours, in 8-bit steps.
        steps: Number of halvings of the interval from ISO 10 to 200 000.

    Returns:
        The ISO number.
    """
    low, high = math.log(10), math.log(200_000)
    for _ in range(steps):
        middle = (low + high) / 2
        if residual_statistics(simulate_pairs(profile, math.exp(middle), scenes)).std.mean() < std:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def read_groups(noisy: str, clean: str, images: Sequence[str] | None) -> dict[str, list[Pair]]:
    """Read the pairs of two folders, by image: files of one have the same name up to the first `_`.

    Args:
        noisy: Folder of noisy images.
        clean: Folder of clean ones of the same names; noisy ones without a clean one are left out.
        images: Names of the images to read, or None for all.

    Returns:
        Pairs by image.

    Raises:
        ValueError: If there is no pair, an image is missing, or an image cannot be read or has another size.
    """
    for folder in (noisy, clean):
        if not osp.isdir(folder):
            raise ValueError(f'there is no folder {folder}')
    noisy_paths, clean_paths = find_scenes(noisy), find_scenes(clean)
    groups: dict[str, list[Pair]] = {}
    for name in clean_paths:
        group = name.split('_')[0]
        if name not in noisy_paths or (images and group not in images):
            continue
        pair = (read_scene(noisy_paths[name]), read_scene(clean_paths[name]))
        if pair[0].shape != pair[1].shape:
            raise ValueError(f'{noisy_paths[name]} and {clean_paths[name]} are of different sizes')
        groups.setdefault(group, []).append(pair)
    if missing := [image for image in images or () if image not in groups]:
        raise ValueError(f'no pairs of {", ".join(missing)} in {noisy} and {clean}')
    if not groups:
        raise ValueError(f'{noisy} and {clean} have no image of the same name')
    return groups


def match_table(profile: CameraProfile, groups: dict[str, list[Pair]]) -> str:
    """Compare real and simulated noise.

    Args:
        profile: The camera.
        groups: Real pairs by image.

    Returns:
        A table in Markdown: one row for each image, and their mean. The last column is the root mean square of
        the relative difference between simulated and real standard deviation over colours and levels.
    """
    rows, numbers = [], []
    for name, pairs in groups.items():
        real = residual_statistics(pairs)
        scenes = [clean for _, clean in pairs]
        iso = fit_iso(profile, scenes, float(real.std.mean()))
        simulated = residual_statistics(simulate_pairs(profile, iso, scenes))
        error = math.sqrt(np.nanmean((simulated.by_level / real.by_level - 1) ** 2))
        values = [getattr(side, part) for part in ('std', 'lag1', 'lag2', 'across') for side in (real, simulated)]
        numbers.append([*values, np.array([error])])
        rows.append(f'| {name} | {iso:.0f} | {_cells(numbers[-1])} |')
    mean = [np.mean(column, 0) for column in zip(*numbers, strict=True)]
    head = (
        '| image | ISO fitted | std R G B | simulated | lag 1 | simulated | lag 2 | simulated | RG GB RB '
        '| simulated | std by level off by |'
    )
    return '\n'.join([head, '|---' * 11 + '|', *rows, f'| mean | | {_cells(mean)} |'])


def _cells(values: Sequence[np.ndarray]) -> str:
    *pairs, error = values
    texts = [' '.join(f'{x:.1f}' if column < 2 else f'{x:.2f}' for x in row) for column, row in enumerate(pairs)]
    return ' | '.join([*texts, f'{100 * error[0]:.0f} %'])


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--noisy', required=True, help='folder of noisy images')
    parser.add_argument('--clean', required=True, help='folder of clean images of the same names')
    parser.add_argument('--camera', choices=PROFILES, default='phone')
    parser.add_argument('--images', nargs='+', metavar='NAME', help='only these: what names have before the first _')
    args = parser.parse_args(argv)
    try:
        groups = read_groups(args.noisy, args.clean, args.images)
    except ValueError as error:
        sys.exit(f'error: {error}')
    print(match_table(PROFILES[args.camera], groups))


if __name__ == '__main__':
    main()
