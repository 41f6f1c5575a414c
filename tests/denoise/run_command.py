"""Files for the command, and what a tiny network should make of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from amsnet_basicsr.archs import DnCNN
from amsnet_basicsr.convert import write_file
from tests.conftest import noisy_image

OPTIONS = {'in_nc': 3, 'out_nc': 3, 'nc': 4, 'nb': 3, 'act_mode': 'R'}


@dataclass
class Result:
    """What a command returned and printed."""

    status: int
    out: str
    err: str


def tiny_net() -> DnCNN:
    """A network with random weights, each time the same."""
    torch.manual_seed(7)
    return DnCNN(**OPTIONS).eval()


def tiny_weights(path: Path) -> Path:
    """Write the tiny network's weights."""
    write_file(path, tiny_net().state_dict(), 'DnCNN', OPTIONS)
    return path


def image(path: Path, height: int = 24, width: int = 32, seed: int = 0, **settings: object) -> Path:
    """Write a noisy RGB image in the format that its name asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noisy_image(height, width, seed)).save(path, **settings)
    return path


def plain(pixels: np.ndarray) -> np.ndarray:
    """What the tiny network makes of (H, W, 3 or 1) pixels in one pass, computed by itself."""
    top = np.iinfo(pixels.dtype).max
    x = torch.from_numpy((pixels / top).astype(np.float32)).permute(2, 0, 1)[None].expand(-1, 3, -1, -1)
    with torch.no_grad():
        y = tiny_net()(x)[0].permute(1, 2, 0)
    if pixels.shape[2] == 1:
        y = y.mean(dim=2, keepdim=True)
    return np.round(y.clamp(0, 1).double().numpy() * top).astype(pixels.dtype)
