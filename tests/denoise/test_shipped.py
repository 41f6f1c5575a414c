"""The weights that come with the package: what they say of themselves, and that they denoise."""

import numpy as np
import pytest
import torch

from amsnet_basicsr import Denoiser
from amsnet_basicsr.convert import read_file
from amsnet_basicsr.denoise.load_model import STUDENT, TEACHER, shipped_weights


@pytest.fixture(scope='module')
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Smooth images, as a phone's are at full resolution, with the simulated noise of one."""
    from amsnet_basicsr.simulation.camera import Camera

    rng = np.random.default_rng(0)
    made = []
    for number in range(3):
        corners = rng.integers(40, 200, (4, 4, 3)).astype(np.float32)
        scene = torch.nn.functional.interpolate(
            torch.from_numpy(corners).permute(2, 0, 1)[None], (192, 192), mode='bicubic', align_corners=True
        )
        scene = scene[0].permute(1, 2, 0).clamp(0, 255).numpy().astype(np.uint8)
        scene[:, 96:] //= 2  # an edge
        camera = Camera(shot=0.01, read=0.01)
        noisy = camera.expose(scene, torch.Generator().manual_seed(number))
        made.append((noisy, camera.expose(scene, None)))
    return made


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def test_the_student_is_the_default_and_removes_a_phones_noise(pairs):
    denoiser = Denoiser.from_pretrained()
    assert denoiser.scheme.type == 'plain' and denoiser.source == str(shipped_weights()) and not denoiser.notes
    before = np.mean([psnr(noisy, clean) for noisy, clean in pairs])
    after = np.mean([psnr(denoiser(noisy), clean) for noisy, clean in pairs])
    assert before < 27 and after > before + 8


def test_the_teacher_runs_by_masks_and_denoises_too(pairs):
    denoiser = Denoiser.from_pretrained(shipped_weights(TEACHER))
    assert denoiser.scheme.type == 'amsnet' and denoiser.scheme.stride == 2
    noisy, clean = pairs[0]
    assert psnr(denoiser(noisy), clean) > psnr(noisy, clean) + 6


@pytest.mark.parametrize(('name', 'most'), [(STUDENT, 6e6), (TEACHER, 4e6)])
def test_files_are_small_and_say_where_they_come_from(name, most):
    path = shipped_weights(name)
    assert path.stat().st_size <= most
    weights, metadata = read_file(path)
    assert metadata['license'] == 'MIT' and 'SIDD' in metadata['trained_on'] and metadata['arch'] == 'NAFNet'
    assert sum(value.numel() for value in weights.values()) <= 3e6


def test_other_programs_can_load_the_student():
    spandrel = pytest.importorskip('spandrel')
    model = spandrel.ModelLoader(device='cpu').load_from_file(shipped_weights())
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = Denoiser.from_pretrained(device='cpu').net(x)
        assert (model.model.float()(x) - expected).abs().max() < 1e-4
