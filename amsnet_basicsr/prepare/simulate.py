"""Noisy and clean PNG images of clean photographs, taken with a simulated camera."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from amsnet_basicsr.data.camera_noise_dataset import find_scenes, read_scene
from amsnet_basicsr.options.blocks.simulation import SimulationOptions
from amsnet_basicsr.prepare.outputs import discard, partial_path, publish, refuse_existing
from amsnet_basicsr.simulation.exposure import Simulation
from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.parallel import ordered_map

RECORD = 'simulation.json'
_MADE = {'noisy', 'clean', RECORD}


def simulate(
    source: Path, target: Path, settings: Mapping[str, Any], shots: int, workers: int | None, overwrite: bool
) -> str:
    """Write `noisy`, `clean` and `simulation.json`, complete or not at all; returns what was made, in words.

    Args:
        source: Folder of clean images; subfolders count.
        target: Folder to write.
        settings: Of `SimulationOptions`.
        shots: Noisy images of each scene.
        workers: Number of threads; None for one per core.
        overwrite: Whether an earlier result may be replaced.

    Raises:
        ValueError: If a setting is impossible, an image can't be read, or something would be lost.
    """
    simulation = Simulation.of(SimulationOptions.read(settings, 'command line'), 'command line')
    if not source.is_dir():
        raise ValueError(f'there is no folder {source}')
    _check_target(target, source, overwrite)
    scenes = find_scenes(str(source))
    if not scenes:
        raise ValueError(f'{source} holds no image')
    names = _flat_names(scenes)
    partial = partial_path(target)

    def take(flat: str) -> dict[str, dict[str, Any]]:
        scene, records = read_scene(scenes[names[flat]]), {}
        for shot in range(shots):
            exposure = simulation.exposure(names[flat], shot)
            file_name = f'{flat}.png' if shots == 1 else f'{flat}_{shot}.png'
            _write(partial / 'noisy' / file_name, exposure.noisy(scene))
            _write(partial / 'clean' / file_name, exposure.clean(scene))
            records[file_name] = {'scene': scenes[names[flat]], 'shot_number': shot, **exposure.record()}
        return records

    images: dict[str, dict[str, Any]] = {}
    with exclusive_lock(target):
        discard(partial)  # of a run that was killed
        for kind in ('noisy', 'clean'):
            (partial / kind).mkdir(parents=True)
        try:
            for records in tqdm(ordered_map(take, names, workers), total=len(names), unit='scene', disable=None):
                images.update(records)
            _write_record(partial / RECORD, {**settings, 'shots': shots}, images)
            publish(target)
        finally:
            discard(partial)
    return f'{target}: {len(images)} noisy images of {len(scenes)} scenes, with clean ones and {RECORD}'


def _check_target(target: Path, source: Path, overwrite: bool) -> None:
    """Make sure that nothing is lost."""
    here, there = target.resolve(), source.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise ValueError(f'{target}: the output and {source} must not lie in each other; choose another -o')
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ValueError(f'{target} is no folder of its own; choose another -o')
    held = {path.name for path in target.iterdir()} if target.exists() else set()
    if held:
        refuse_existing(target, overwrite)
        if RECORD not in held or held - _MADE:
            raise ValueError(f'{target} holds more than a result of this command, and is left alone; choose another -o')


def _flat_names(scenes: Mapping[str, str]) -> dict[str, str]:
    """Give every scene a file name of its own in one folder."""
    names: dict[str, str] = {}
    for name in scenes:
        flat = name.replace(os.sep, '_')
        if flat in names:
            raise ValueError(f'{scenes[name]} and {scenes[names[flat]]} would both be called {flat}; rename one')
        names[flat] = name
    return names


def _write(path: Path, image: np.ndarray) -> None:
    path.write_bytes(cv2.imencode('.png', image[..., ::-1])[1].tobytes())


def _write_record(path: Path, settings: Mapping[str, Any], images: Mapping[str, Mapping[str, Any]]) -> None:
    """Write JSON with one line for each image."""
    lines = ',\n'.join(f'  {json.dumps(name)}: {json.dumps(record)}' for name, record in images.items())
    path.write_text(f'{{\n "settings": {json.dumps(settings)},\n "pictures": {{\n{lines}\n }}\n}}\n', encoding='utf-8')
