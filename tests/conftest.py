"""Fixtures: real files, made on the spot."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import amsnet_basicsr  # noqa: F401 (before any test imports BasicSR)
from tests.fork_server import ForkServer, no_waiting_for_the_disk

# Before PyTorch is loaded: several processes test at once, and the number of threads decides how sums are rounded.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# A shell's background job ignores Ctrl-C, and so would the commands that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

no_waiting_for_the_disk()

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_finish() -> None:
    """Modules and tests stay: collecting garbage need not look at them again and again."""
    gc.collect()
    gc.freeze()


def noisy_image(height: int, width: int, seed: int) -> np.ndarray:
    """A smooth scene with strong noise, uint8 BGR."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    scene = np.stack([100 + 60 * np.sin(x / 9 + seed), 90 + 50 * np.cos(y / 7), 60 + x % 64], axis=-1)
    return (scene + rng.normal(0, 20, scene.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of noisy PNG images and return it."""

    def make(name: str, count: int = 4, size: tuple[int, int] = (64, 72), first_seed: int = 0) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(folder / f'im{number}.png'), noisy_image(*size, first_seed + number))
        return folder

    return make


@pytest.fixture
def closed_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders named `closed` cannot be searched, not even by someone who may read everything."""

    def refusing(look: Callable) -> Callable:
        def refuse(path: object) -> object:
            if Path(str(path)).name == 'closed':
                raise PermissionError(13, 'Permission denied', str(path))
            return look(path)

        return refuse

    for name in ('scandir', 'listdir'):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))


@pytest.fixture
def make_lmdb(tmp_path: Path) -> Callable[[Path], Path]:
    """Turn a folder of images into a BasicSR LMDB by BasicSR's own tool."""

    def make(folder: Path) -> Path:
        from basicsr.utils.lmdb_util import make_lmdb_from_imgs

        files = sorted(path.name for path in folder.iterdir())
        target = tmp_path / f'{folder.name}.lmdb'
        make_lmdb_from_imgs(str(folder), str(target), files, [Path(name).stem for name in files])
        return target

    return make


@pytest.fixture(scope='session')
def fork_server() -> Iterator[ForkServer]:
    """Starts Python commands without loading PyTorch and BasicSR anew."""
    server = ForkServer()
    yield server
    server.close()
