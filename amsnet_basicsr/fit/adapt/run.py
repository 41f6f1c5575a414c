"""From noisy images to a model for their noise, or to the finding that the model they started from is as good."""

import argparse
import copy
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from amsnet_basicsr.convert import write_file
from amsnet_basicsr.denoise.load_model import load_model
from amsnet_basicsr.fit.adapt.measure import (
    CROP,
    FEWEST,
    MULTIPLE,
    SIDE,
    as_run,
    as_tile,
    crops_of,
    gain,
    is_better,
    is_noisier,
    risks,
    run,
)
from amsnet_basicsr.fit.adapt.noise import NoiseModel, describe, estimate_noise_model
from amsnet_basicsr.fit.adapt.tune import tune
from amsnet_basicsr.fit.patches import find_images, plan_cuts, read_pixels, spread, survey, write_png
from amsnet_basicsr.fit.progress_images import MOST_ROWS, comparison
from amsnet_basicsr.fit.state import choose_device
from amsnet_basicsr.scheme import channels_and_multiple
from amsnet_basicsr.utils.errors import UserError

_IMAGES = 32
_TILE, _TILES = 384, 12  # trained on: at most so many tiles, of at least such sides where images have them
_ONE_IN = 4  # held out: whether a model is better must not hang on a single image


def adapt(args: argparse.Namespace, target: Path) -> Iterator[str]:
    """Adapt a model to images, and write it if it is better for them, with `comparison.png`; yields what to print."""
    device = choose_device(args.device)
    start = load_model(args.model)
    if start.scheme.type != 'plain':
        raise UserError(f'{start.source} denoises by masks; adapt takes a student, which denoises in one pass')
    channels, multiple = channels_and_multiple(start.net)
    if channels != 3 or MULTIPLE % multiple:
        raise UserError(f'{start.source}: adapt takes a network for RGB images whose sides are multiples of {MULTIPLE}')
    train, held_out = _read(args.images, target.parent, args.seed)
    crops = crops_of(held_out)
    if len(crops) < FEWEST:
        raise UserError(
            f'to compare the models, {FEWEST} crops of {CROP}×{CROP} pixels are held out, and these images leave '
            f'only {len(crops)}: give more or larger images'
        )
    train, noise = _estimate(train, held_out, device)
    yield describe(noise)
    net = copy.deepcopy(start.net)
    steps, weights = tune(net, train, noise, args.seconds, args.steps, device, args.seed)
    net.load_state_dict(weights)
    nets = as_run([start, replace(start, net=net)], device)
    errors = risks(nets, crops, noise, device, args.seed)
    count, mean, standard_error = gain(errors)
    change = f'; there, the mean squared error for values from 0 to 255 changes by {-mean:+.1f} ± {standard_error:.1f}'
    yield f'{steps} steps; {count} of {len(crops)} held-out crops have that noise{change if count > 1 else ""}'
    if not is_better(errors):
        yield (
            'The adapted model is not clearly better, or not if the noise is a tenth weaker than estimated, so it was '
            'not kept: use the model as it is, or try more --seconds or amsnet-denoise fit'
        )
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: value.cpu() for name, value in weights.items()}
    write_file(target, weights, start.arch, start.options, overwrite=True, scheme={'type': 'plain'}, crop=start.crop)
    image = target.with_name('comparison.png')
    shown = sorted(crops, key=lambda crop: -float(crop.std()))[:MOST_ROWS]
    rows = [[tile, *(run(net, tile, device) for net in nets)] for tile in shown]
    write_png(image, comparison([[_to_8_bit(tile) for tile in row] for row in rows], ('noisy', 'before', 'adapted')))
    yield f'Done: {target}; look at {image} (noisy | before | adapted)'
    yield f'Next: amsnet-denoise IMAGES -o cleaned --model {shlex.quote(str(target.parent))}'


def _read(inputs: list[str], exclude: Path, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Read tiles to train on and to hold out."""
    sizes, _ = survey(spread(find_images(inputs, exclude), _IMAGES), lambda path: read_pixels(path).shape[:2])
    train: list[np.ndarray] = []
    held_out: list[np.ndarray] = []
    for cut in plan_cuts(sizes, _TILE, _TILES, seed, _ONE_IN):
        pixels = read_pixels(cut.path)
        for tiles, boxes, most in ((train, cut.train, 2 * _TILE), (held_out, cut.held_out, SIDE)):
            tiles += [as_tile(pixels[top:bottom, left:right], most) for top, left, bottom, right in boxes]
    return train, held_out


def _estimate(
    train: list[np.ndarray], held_out: list[np.ndarray], device: torch.device
) -> tuple[list[np.ndarray], NoiseModel]:
    """Estimate the noise of tiles, and choose those to train on that have it."""
    (shipped,) = as_run([load_model(None)], device)
    denoised = [run(shipped, tile, device) for tile in (*train, *held_out)]
    try:
        noise = estimate_noise_model(zip((*train, *held_out), denoised, strict=True))
    except ValueError as error:
        raise UserError(f'the noise of these images cannot be estimated: {error}; try amsnet-denoise fit') from None
    alike = [tile for tile, clean in zip(train, denoised, strict=False) if not is_noisier(tile, clean, noise)]
    if len(alike) < max(1, len(train) / 2):
        raise UserError('the noise of these images differs; give images of one camera at one setting')
    return alike, noise


def _to_8_bit(image: np.ndarray) -> np.ndarray:
    return (image.clip(0, 1) * 255).round().astype(np.uint8)
