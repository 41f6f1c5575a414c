"""A whole tiny fit: killed, resumed, used; and what it refuses."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file

from amsnet_basicsr.denoise.denoiser import Denoiser
from amsnet_basicsr.denoise.load_model import load_model
from amsnet_basicsr.fit import command as fit
from amsnet_basicsr.scheme import PartitionAverage
from amsnet_basicsr.utils.lock import exclusive_lock
from tests.conftest import REPOSITORY, noisy_image

pytestmark = pytest.mark.timeout(900)  # four trainings start; half a minute if the processor is free

OPTIONS = ['--iterations', '40', '--width', '4', '--patch', '64', '--device', 'cpu', '--seed', '3']


def flat_image(number: int) -> np.ndarray:
    """An image of 70×140 pixels whose noise can be estimated, uint8 BGR."""
    image = np.random.default_rng(number).normal([100 + 10 * number, 90, 120], 20, (70, 140, 3))
    return image.round().clip(0, 255).astype(np.uint8)


def images_in(folder: Path, count: int = 5) -> Path:
    folder.mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / f'IMG {number}.png'), flat_image(number))
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert fit.main(list(map(str, arguments))) == 1
    captured = capsys.readouterr()
    assert captured.err.count('\n') == 1 and captured.err.startswith('amsnet-denoise fit: '), captured.err
    return captured.err


def start(cwd: Path, *arguments: object) -> subprocess.Popen:
    environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
    command = [sys.executable, '-m', 'amsnet_basicsr.fit.command', *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.fixture(scope='module', autouse=True)
def one_thread() -> Iterator[None]:
    """All trainings of this file on one thread: the number of threads decides how sums are rounded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('OMP_NUM_THREADS', '1')
        yield


@pytest.fixture(scope='module')
def work(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images in `images`, others that can't be used, and a fit that was killed, then finished."""
    folder = tmp_path_factory.mktemp('work')
    images = images_in(folder / 'photos')
    (images / 'notes.txt').write_text('no image')
    (images / 'torn.jpg').write_bytes(b'\xff\xd8\xff\xe0 torn')
    (images / 'cut off.png').write_bytes((images / 'IMG 0.png').read_bytes()[:9000])
    cv2.imwrite(str(images / 'tiny.png'), noisy_image(20, 300, 9))
    before = {path: path.read_bytes() for path in images.iterdir()}

    process = start(folder, 'photos', '-o', 'my model', *OPTIONS)
    states = folder / 'my model' / 'experiments' / 'teacher' / 'training_states'
    try:
        while not list(states.glob('*.state')):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        training = psutil.Process(process.pid).children()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert len(training) == 1 and psutil.wait_procs(training, timeout=250)[1] == []  # it ends with its parent
    patches = {path: path.stat().st_mtime_ns for path in (folder / 'my model' / 'patches').rglob('*.png')}
    # As if the power had gone while these were being written.
    for torn in (states / '99.state', states.parent / 'models' / 'net_g_best.pth'):
        torn.write_bytes(b'PK\x03\x04 torn')
    (states.parent / 'models' / 'net_g_best.json').write_text(
        '{"metric": "mask_l1", "dataset": "held-out", "value": 0}'
    )

    with (folder / 'output.txt').open('w') as output, contextlib.redirect_stdout(output):
        assert fit.main([str(images), '-o', str(folder / 'my model'), *OPTIONS]) == 0
    assert patches == {path: path.stat().st_mtime_ns for path in (folder / 'my model' / 'patches').rglob('*.png')}
    assert before == {path: path.read_bytes() for path in images.iterdir()}
    return folder


def test_goes_on_after_a_kill(work):
    output = (work / 'output.txt').read_text()
    assert 'prepare: done before\nplan: done before\n' in output
    # Forty steps of a tiny network are no match for the shipped one, and the command says so.
    assert 'Done, but not clearly better: ' in output
    assert 'This model is not clearly better than the shipped one' in output
    assert 'Next:\n# clean the images, by the shipped model\namsnet-denoise IMAGES -o cleaned\n' in output
    record = json.loads((work / 'my model' / 'fit.json').read_text())
    assert record['stages']['teacher']['runs'] == 2
    assert all(stage['done'] for stage in record['stages'].values())
    log = (work / 'my model' / 'teacher.log').read_text()
    assert 'Resuming training from epoch' in log
    assert not list((work / 'my model' / 'experiments').glob('*archived*'))
    assert re.search(r'iter: +1,', log) and not re.search(r'iter: +[1-9],', log[log.index('Resuming training') :])


def test_gives_what_an_undisturbed_run_gives(work):
    assert fit.main([str(work / 'photos'), '-o', str(work / 'undisturbed'), *OPTIONS]) == 0
    for name in ('teacher.safetensors', 'model.safetensors'):
        killed, whole = (load_file(work / folder / name) for folder in ('my model', 'undisturbed'))
        assert killed.keys() == whole.keys()
        assert all(torch.equal(killed[key], whole[key]) for key in whole)
    killed, whole = (
        json.loads((work / folder / 'fit.json').read_text())['stages'] for folder in ('my model', 'undisturbed')
    )
    assert (
        killed['student']['curve'] == whole['student']['curve']
        and killed['teacher']['curve'] == whole['teacher']['curve']
    )
    assert [step for step, _ in whole['teacher']['curve']] == [20, 40]
    assert [step for step, _ in whole['student']['curve']] == [10, 20]


def test_images_are_accounted_for(work):
    report = (work / 'my model' / 'report.md').read_text()
    assert 'Images: 5 used (1 of them held out), 3 left out' in report
    assert 'cut off.png: unreadable' in report
    assert 'tiny.png: too small: 300×20 pixels' in report and 'torn.jpg: unreadable: damaged' in report
    assert 'Patches: 8 to train on, 2 held out, 70 to 70 pixels wide' in report
    held_out = {path.name.split('_')[0] for path in (work / 'my model' / 'patches' / 'held_out').iterdir()}
    trained = {path.name.split('_')[0] for path in (work / 'my model' / 'patches' / 'train').iterdir()}
    assert len(held_out) == 1 and len(trained) == 4 and not held_out & trained
    patch = cv2.imread(str(work / 'my model' / 'patches' / 'train' / 'image0000_y00000_x00070.png'))
    assert np.array_equal(patch, flat_image(0)[:, 70:])


def test_the_model_can_be_used(work):
    model, weights = work / 'my model', work / 'my model' / 'experiments'
    image = cv2.imread(str(work / 'photos' / 'IMG 0.png'))[..., ::-1]
    student = Denoiser.from_pretrained(model, device='cpu')
    assert (student.scheme.type, student.arch, student.notes) == ('plain', 'NAFNet', [])
    assert load_model(model).crop == json.loads((model / 'fit.json').read_text())['stages']['plan']['student_crop']
    trained = torch.load(weights / 'student' / 'models' / 'net_g_latest.pth', weights_only=True)['params_ema']
    for name, value in student.net.state_dict().items():
        assert torch.equal(value, trained[name])
    assert student(image).shape == image.shape

    teacher = Denoiser.from_pretrained(model / 'teacher.safetensors', device='cpu')
    assert teacher.scheme.type == 'amsnet' and teacher.scheme.refine == PartitionAverage(8)
    record = json.loads((model / 'fit.json').read_text())['stages']
    assert teacher.scheme.stride == record['prepare']['test_stride']
    # What the student learnt from is what the teacher says.
    target = next((model / 'pairs' / 'train').iterdir())
    noisy = cv2.imread(str(model / 'patches' / 'train' / target.name))
    again = Denoiser.from_pretrained(model / 'teacher.safetensors', device='cpu', seed=3)(noisy[..., ::-1].copy())
    assert np.abs(again[..., ::-1].astype(int) - cv2.imread(str(target))).max() <= 1


def test_images_show_the_progress(work):
    images = work / 'my model' / 'progress'
    assert {path.name for path in images.iterdir()} == {
        'teacher_000020.png', 'teacher_000040.png', 'student_000010.png', 'student_000020.png', 'result.png'
    }  # fmt: skip
    result = cv2.imread(str(images / 'result.png'))
    assert result.shape == (22 + 2 * 280 + 4, 3 * 280 + 2 * 4, 3)
    held_out = sorted((work / 'my model' / 'patches' / 'held_out').iterdir())
    noisy = cv2.imread(str(held_out[0])).repeat(4, 0).repeat(4, 1)
    assert np.array_equal(result[22 : 22 + 280, :280], noisy)
    denoised = Denoiser.from_pretrained(work / 'my model', device='cpu')(cv2.imread(str(held_out[0]))[..., ::-1].copy())
    shown = result[22 : 22 + 280, -280:][::4, ::4, ::-1]
    assert np.abs(shown.astype(int) - denoised).max() <= 1


def test_a_finished_fit_is_left_alone(work, capsys):
    model = work / 'my model'
    before = {path: path.stat().st_mtime_ns for path in model.rglob('*')}
    assert fit.main(['-o', str(model)]) == 0
    assert fit.main([str(work / 'photos'), '-o', str(model), *OPTIONS]) == 0
    assert capsys.readouterr().out.count('is finished') == 2
    assert before == {path: path.stat().st_mtime_ns for path in model.rglob('*')}


def test_other_settings_and_images_are_refused(work, capsys, tmp_path):
    model = work / 'my model'
    error = refused(capsys, work / 'photos', '-o', model, '--iterations', 8, '--width', 8, '--seed', 3)
    assert 'width 4 instead of 8' in error and '--restart' in error and 'seed' not in error
    error = refused(capsys, work / 'photos', '-o', model, '--minutes', 2)
    assert 'iterations 40 instead of none, minutes 15.0 instead of 2.0' in error
    extra = tmp_path / 'extra.png'
    cv2.imwrite(str(extra), noisy_image(80, 80, 7))
    assert 'extra.png is new' in refused(capsys, work / 'photos', extra, '-o', model)


def test_restart_keeps_the_results_and_what_is_not_its_own(work, capsys, tmp_path, monkeypatch):
    model = tmp_path / 'my model'
    shutil.copytree(work / 'my model', model)
    (model / 'mine.txt').write_text('mine')
    weights = (model / 'model.safetensors').read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr('amsnet_basicsr.fit.stages.run.run_stages', stop)
    assert fit.main(['-o', str(model), '--restart', '--iterations', '4']) == 130
    assert 'the same command resumes' in capsys.readouterr().err
    assert {path.name for path in model.iterdir()} == {'mine.txt', 'previous-1', 'fit.json'}
    assert (model / 'previous-1' / 'model.safetensors').read_bytes() == weights
    assert json.loads((model / 'fit.json').read_text())['settings']['iterations'] == 4


def test_bad_input_is_told_in_one_line_before_any_work(work, capsys, tmp_path):
    out = tmp_path / 'out'
    (tmp_path / 'empty').mkdir()
    cv2.imwrite(str(tmp_path / 'small.png'), noisy_image(40, 500, 0))
    (tmp_path / 'text.png').write_text('no image')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'letter.txt').write_text('mine')
    image = work / 'photos' / 'IMG 0.png'

    assert 'give images' in refused(capsys, '-o', out)
    assert 'missing: no such file' in refused(capsys, 'missing', '-o', out)
    assert 'empty: no images' in refused(capsys, tmp_path / 'empty', '-o', out)
    assert 'letter' not in refused(capsys, image, '-o', tmp_path / 'mine')
    assert 'small.png is a file' in refused(capsys, image, '-o', tmp_path / 'small.png')
    assert 'no such file' in refused(capsys, image, '-o', out, '--init', tmp_path / 'no.pth')
    teacher = work / 'my model' / 'teacher.safetensors'
    assert '(width 4); give --width 4' in refused(capsys, image, '-o', out, '--init', teacher)
    if not torch.cuda.is_available():
        assert '--device cpu does' in refused(capsys, image, '-o', out, '--device', 'cuda')
    assert not out.exists()
    for argument in (
        ['--iterations', '0'],
        ['--patch', '32'],
        ['--train-stride', '9'],
        ['--minutes', 'x'],
        ['--minutes', '3', '--iterations', '3'],
    ):
        with pytest.raises(SystemExit) as stopped:
            fit.main([str(image), '-o', str(out), *argument])
        assert stopped.value.code == 2 and not out.exists()
    capsys.readouterr()

    assert 'none of 1 images can be used; ' in refused(capsys, tmp_path / 'small.png', '-o', tmp_path / 'a')
    # Nothing has been trained, so another try there is free to have other images.
    assert 'text.png: unreadable: not an image' in refused(capsys, tmp_path / 'text.png', '-o', tmp_path / 'a')
    assert (tmp_path / 'mine' / 'letter.txt').read_text() == 'mine'


def test_a_full_disk_is_told_before_anything_is_written(work, capsys, tmp_path):
    # More patches of a wider network than any disk holds.
    error = refused(capsys, work / 'photos', '-o', tmp_path / 'out', '--width', 10**6)
    assert 'are needed' in error and 'free' in error
    assert not (tmp_path / 'out' / 'fit.json').exists()


def test_too_little_time_is_told_before_images_are_read(work, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr('amsnet_basicsr.fit.stages.prepare.read_pixels', None)
    error = refused(capsys, work / 'photos', '-o', tmp_path / 'out', '--minutes', 0.01, '--width', 4, '--patch', 64)
    assert '0.01 minutes are too few here: --minutes ' in error
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {'fit.json'}


def test_another_run_is_kept_out(work, capsys):
    with exclusive_lock(work / 'my model'):
        assert 'another run is writing there' in refused(capsys, '-o', work / 'my model')
