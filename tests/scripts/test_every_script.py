"""Every script starts and tells its usage; the small ones that no other test runs do what they say."""

import re
import runpy
import sys

import cv2
import numpy as np
import pytest
import torch
import yaml

from amsnet_basicsr.archs import DnCNN
from tests.conftest import REPOSITORY, noisy_image
from tests.pipeline.options import PSNR, TINY_DNCNN, test_options

SCRIPTS = [path for path in sorted((REPOSITORY / 'scripts').glob('*.py')) if '__main__' in path.read_text()]


def run(script: str, *arguments: object) -> None:
    """Run a script as a program, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [script, *map(str, arguments)])
        patch.syspath_prepend(REPOSITORY / 'scripts')
        runpy.run_path(str(REPOSITORY / 'scripts' / script), run_name='__main__')


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.stem)
def test_usage(script, capsys):
    with pytest.raises(SystemExit) as stop:
        run(script.name, '--help')
    assert not stop.value.code and script.name in capsys.readouterr().out


def test_refinements_are_compared(make_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noisy, clean = make_folder('noisy', count=2), make_folder('clean', count=2, first_seed=30)
    torch.manual_seed(0)
    net = DnCNN(**{key: value for key, value in TINY_DNCNN.items() if key != 'type'})
    torch.save({'params_ema': net.state_dict()}, tmp_path / 'net.pth')
    options = test_options(noisy, tmp_path / 'net.pth', name='compared', scale=1)
    options['datasets']['test'].update(type='PairedImageDataset', dataroot_gt=str(clean), io_backend={'type': 'disk'})
    options['val'] = {'save_img': False, 'metrics': {'psnr': PSNR}}
    options['report'] = {'refine': [None, {'type': 'PartitionAverage', 'samples': 2}]}
    (tmp_path / 'test.yml').write_text(yaml.safe_dump(options))
    run('compare_refinements.py', '-opt', tmp_path / 'test.yml')
    out = capsys.readouterr().out
    assert [out.count(row) for row in ('noisy input', 'no refinement', 'PartitionAverage')] == [1, 1, 1]
    expected = np.mean([cv2.PSNR(*(cv2.imread(str(f / f'im{i}.png')) for f in (noisy, clean))) for i in range(2)])
    assert float(re.search(r'noisy input[^\d]*([\d.]+)', out)[1]) == pytest.approx(expected, abs=0.01)

    del options['report']
    (tmp_path / 'test.yml').write_text(yaml.safe_dump(options))
    with pytest.raises(SystemExit, match='report is missing'):
        run('compare_refinements.py', '-opt', tmp_path / 'test.yml')


def test_training_targets_are_means_of_all_models(tmp_path, capsys):
    """Of a teacher with its masks and a student without; done work is kept."""
    from amsnet_basicsr import Denoiser
    from amsnet_basicsr.denoise.self_ensemble import self_ensemble

    weights = REPOSITORY / 'amsnet_basicsr' / 'weights'
    models = [weights / 'sidd_teacher.safetensors', weights / 'sidd_student.safetensors']
    (tmp_path / 'noisy').mkdir()
    for number in range(2):
        cv2.imwrite(str(tmp_path / 'noisy' / f'{number}.png'), noisy_image(48, 56, number))
    run(
        'denoise_training_set.py', tmp_path / 'noisy', '-o', tmp_path / 'targets', '--model', *models,
        '--symmetries', 2, '--device', 'cpu',
    )  # fmt: skip
    image = cv2.imread(str(tmp_path / 'noisy' / '1.png'))[..., ::-1].astype(np.float32) / 255
    each = [
        self_ensemble([Denoiser.from_pretrained(m, refine=False, seed=s, device='cpu') for s in range(2)], image)
        for m in models
    ]
    target = tmp_path / 'targets' / '1.png'
    assert np.abs(cv2.imread(str(target))[..., ::-1] - 255 * np.mean(each, axis=0)).max() <= 0.51
    before = target.stat().st_mtime_ns
    run('denoise_training_set.py', tmp_path / 'noisy', '-o', tmp_path / 'targets', '--model', models[1])
    assert target.stat().st_mtime_ns == before and '2 of them done before' in capsys.readouterr().out


def test_pairs_are_measured(make_folder, tmp_path, capsys):
    noisy, clean = make_folder('noisy', count=2), make_folder('clean', count=2, first_seed=30)
    names = tmp_path / 'list.txt'
    names.write_text('im1.png\n')
    run('evaluate_pairs.py', noisy, clean, '--list', names)
    out = capsys.readouterr().out
    expected = cv2.PSNR(cv2.imread(str(noisy / 'im1.png')), cv2.imread(str(clean / 'im1.png')))
    assert f'{expected:.2f}' in out and '| 1 images |' in out


def test_kinds_are_measured(make_folder, tmp_path, capsys):
    noisy, clean = make_folder('noisy', count=1), make_folder('clean', count=1, first_seed=30)
    run('evaluate_kinds.py', '--cameras', tmp_path, '--no-made', '--no-rivals', '-o', tmp_path / 'strips')
    first, second = (cv2.imread(str(folder / 'im0.png')) for folder in (noisy, clean))
    assert f'| other cameras | 1 | {cv2.PSNR(first, second):.2f} | ' in capsys.readouterr().out
    strip = cv2.imread(str(tmp_path / 'strips' / 'other_cameras_im0.png'))
    width = first.shape[1]
    assert (strip[:, :width] == first).all() and (strip[:, -width:] == second).all()


def test_models_side_by_side(make_folder, tmp_path, capsys):
    """Noisy, teacher, student and clean, in this order, a row for each scene."""
    scenes, strip = make_folder('scenes', count=2, size=(48, 64)), tmp_path / 'strip.png'
    arguments = ('compare_models.py', '-o', strip, '--dataroot', scenes, '--side', 40, '--iso', 6400)
    run(*arguments)
    header, _, first, second, mean = [
        [cell.strip() for cell in line.split('|')[1:-1]] for line in capsys.readouterr().out.split('\n')[:5]
    ]
    assert header == ['PSNR dB / SSIM', 'noisy', 'teacher, R3', 'student'] and [first[0], second[0]] == ['im0', 'im1']
    image = cv2.imread(str(strip)).astype(float)
    assert image.shape == (2 * 40 + 4, 4 * 40 + 3 * 4, 3)
    columns = [image[:40, 44 * number : 44 * number + 40] for number in range(4)]
    errors = [((column - columns[3]) ** 2).mean() for column in columns]
    assert errors[0] > 50 and errors[3] == 0 and min(errors[1], errors[2]) > 0
    psnr = [float(row[1].split(' / ')[0]) for row in (first, second, mean)]
    assert mean[0] == 'mean' and psnr[2] == pytest.approx((psnr[0] + psnr[1]) / 2, abs=0.011)
    assert (image[40:44] == 255).all() and 10 < float(first[1].split(' / ')[0]) < 30

    before = strip.read_bytes()
    with pytest.raises(SystemExit):
        run(*arguments)
    assert 'exists already' in capsys.readouterr().err and strip.read_bytes() == before
    with pytest.raises(SystemExit, match='nowhere'):
        run('compare_models.py', '-o', tmp_path / 'other.png', '--dataroot', tmp_path / 'nowhere')
    assert not (tmp_path / 'other.png').exists()


def test_models_and_scenes_of_one_name_side_by_side(make_folder, tmp_path, capsys):
    scenes = make_folder('scenes/a', count=1, size=(48, 64)).parent
    make_folder('scenes/b', count=1, size=(52, 44))
    weights, copies = REPOSITORY / 'amsnet_basicsr' / 'weights', []
    for folder, name in (('one', 'sidd_student'), ('two', 'sidd_teacher')):
        (tmp_path / folder).mkdir()
        copies.append((tmp_path / folder / 'net.safetensors').absolute())
        copies[-1].write_bytes((weights / f'{name}.safetensors').read_bytes())
    run(
        'compare_models.py',
        '-o',
        tmp_path / 'strip.png',
        '--dataroot',
        scenes,
        '--side',
        44,
        '--models',
        *copies,
        '--refine',
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f'| PSNR dB / SSIM | noisy | {copies[0]} | {copies[1]} |'
    assert [line.split('|')[1].strip() for line in lines[2:4]] == ['a/im0', 'b/im0']
    assert cv2.imread(str(tmp_path / 'strip.png')).shape == (2 * 44 + 4, 4 * 44 + 3 * 4, 3)
    with pytest.raises(SystemExit, match='is smaller than the crops; give a --side of at most 44'):
        run('compare_models.py', '-o', tmp_path / 'other.png', '--dataroot', scenes, '--side', 45)
