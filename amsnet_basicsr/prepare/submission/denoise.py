"""What the submissions to benchmark servers have in common: a trained model denoises images, one file for each."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from amsnet_basicsr.prepare.build_records import Choices
from amsnet_basicsr.prepare.outputs import begin_or_resume, check_space, discard
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError

_TIMING = 'timing.json'


@dataclass(frozen=True)
class Submission:
    """Test options with a trained model, the folder to write to, and how to treat what is there."""

    options: Path | None
    output: Path
    choices: Choices


def denoise_images(
    how: Submission,
    folder: Path,
    source: Path,
    needed: float,
    images: Mapping[str, Callable[[], np.ndarray]],
    encode: Callable[[np.ndarray], bytes],
) -> tuple[str, float]:
    """Denoise the images whose files are not in a folder yet.

    Args:
        how: Model and output.
        folder: Where the files go; `timing.json` adds up the seconds and the megapixels.
        source: Where the images come from: a folder is resumed only for the same.
        needed: Bytes that the submission takes, about.
        images: The files' names, and for each what reads its noisy image: RGB, (H, W, 3), float32 in [0, 1].
        encode: Makes the file of a denoised image, likewise.

    Returns:
        The model's name, and the seconds per megapixel of all images.
    """
    from amsnet_basicsr.prepare.submission.trained_model import TrainedModel  # imports PyTorch: after the quick checks

    if not how.choices.ignore_space:
        check_space(needed, how.output)
    assert how.options is not None
    model = TrainedModel(how.options)
    if how.choices.restart:
        discard(folder)
    begin_or_resume(folder, {**model.settings, 'input': source.name})
    left = [name for name in images if not (folder / name).is_file()]
    done = len(images) - len(left)
    if done:
        print(f'Resuming: {done} in {folder} are done already')
    record = folder / _TIMING
    try:
        seconds, megapixels = map(float, json.loads(record.read_bytes())) if record.is_file() else (0.0, 0.0)
    except (TypeError, ValueError) as error:
        raise UserError(f'{record} is damaged; remove it, and the time counts from here on') from error

    for name in tqdm(left, total=len(images), initial=done, unit='image', disable=None):
        try:
            noisy = images[name]()
            start = time.perf_counter()
            denoised = model.denoise(noisy)
        except UserError as error:
            raise UserError(f'{name}: {error}') from error
        seconds += time.perf_counter() - start
        megapixels += noisy.shape[0] * noisy.shape[1] / 1e6
        for path, content in ((record, json.dumps([seconds, megapixels]).encode()), (folder / name, encode(denoised))):
            with atomic_write(path) as file:
                file.write(content)
    return model.name, seconds / megapixels if megapixels else 0.0
