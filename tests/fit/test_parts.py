"""Parts of a fit: which patches are cut, which strides are taken, how time is shared out."""

from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from amsnet_basicsr.archs import NAFNet
from amsnet_basicsr.denoise.load_model import SHIPPED, TEACHER, load_model
from amsnet_basicsr.fit import command as fit
from amsnet_basicsr.fit.adapt.measure import as_run
from amsnet_basicsr.fit.networks import (
    STUDENT_INIT,
    TEACHER_INIT,
    network_options,
    put_start_weights,
    start_weights,
    student_network,
)
from amsnet_basicsr.fit.patches import (
    Size,
    find_images,
    hold_one_out,
    plan_cuts,
    read_pixels,
    read_png,
    split,
    spread,
    survey_for_training,
    write_patches,
    write_png,
)
from amsnet_basicsr.fit.report import doubts, is_advised, next_steps
from amsnet_basicsr.fit.stages.learn import neighbour_loss
from amsnet_basicsr.fit.stages.options import student_options, teacher_options
from amsnet_basicsr.fit.stages.pack import noise_of_patches
from amsnet_basicsr.fit.stages.prepare import crop_size, plan_steps, refuse_too_little_time
from amsnet_basicsr.fit.state import Fit, Settings
from amsnet_basicsr.options.reader import OptionsLoader
from amsnet_basicsr.prepare.noise_correlation import noise_spectra
from amsnet_basicsr.prepare.noise_report import choose_strides, report_noise
from amsnet_basicsr.utils.errors import UserError
from tests.conftest import noisy_image


def begun_with(settings: Settings, folder: Path = Path('m')) -> Fit:
    """A fit whose stages have found nothing yet."""
    stages: dict[str, dict[str, object]] = {name: {} for name in ('prepare', 'plan', 'teacher', 'pack')}
    fit = Fit(folder, {'settings': asdict(settings), 'images': [], 'stages': stages})
    fit.device = torch.device('cpu')
    return fit


def images(*sizes: Size) -> dict[Path, Size]:
    return {Path(f'{number}.png'): size for number, size in enumerate(sizes)}


def test_finds_images_once_and_not_its_own_patches(tmp_path, monkeypatch):
    for name in ('a.png', 'sub/b.JPG', 'sub/.hidden.png', 'sub/c.txt', 'model/patches/train/d.png'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')
    monkeypatch.chdir(tmp_path)
    found = find_images(['.', 'a.png', str(tmp_path / 'sub' / '*')], Path('model'))
    assert found == [tmp_path / 'a.png', tmp_path / 'sub' / 'b.JPG']
    with pytest.raises(UserError, match='no images but those in'):
        find_images(['model'], Path('model'))
    with pytest.raises(UserError, match=r'missing\.png: no such file'):
        find_images(['a.png', 'missing.png'], Path('model'))


def test_what_cannot_be_looked_at_is_named_in_a_line_and_the_rest_goes_on(tmp_path, closed_folders, capsys):
    folder = tmp_path / 'photos'
    (folder / 'closed').mkdir(parents=True)
    cv2.imwrite(str(folder / 'good.png'), noisy_image(96, 96, 0))
    (folder / 'gone.png').symlink_to('nowhere.png')
    (folder / 'line\nbreak.png').write_bytes(b'no image')

    images = fit._list_images([str(folder)], tmp_path / 'm')
    assert [Path(name).name for name in images] == ['good.png', 'line\nbreak.png', 'nowhere.png']
    usable, left_out = survey_for_training([Path(name) for name in images])
    assert [path.name for path in usable] == ['good.png'] and len(left_out) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(line.startswith('left out: ') for line in lines)
    assert 'closed: cannot be searched: Permission denied' in lines[0]
    assert 'line\\nbreak.png: unreadable' in lines[1] and 'nowhere.png: unreadable' in lines[2]
    with pytest.raises(UserError, match='closed'):
        find_images([str(folder / 'closed')], tmp_path / 'm')


def test_thinned_out_evenly():
    paths = [Path(f'{number:03}') for number in range(100)]
    assert spread(paths, 4) == [Path('012'), Path('037'), Path('062'), Path('087')]
    assert spread(paths, 100) == paths


@pytest.mark.parametrize(
    'sizes', [[(300, 512)], [(256, 256)], [(128, 130)], [(600, 900), (300, 300)], [(256, 256)] * 9, [(700, 500)] * 40]
)
def test_held_out_patches_are_never_trained_on(sizes):
    given = images(*sizes)
    cuts = plan_cuts(given, 256, 50, seed=0)
    assert plan_cuts(given, 256, 50, seed=0) == cuts
    trained, held_out = ([len(getattr(cut, name)) for cut in cuts] for name in ('train', 'held_out'))
    assert 1 <= sum(held_out) <= 8 and 1 <= sum(trained) <= 50
    for cut in cuts:
        taken = np.zeros(given[cut.path], int)
        for top, left, bottom, right in (*cut.train, *cut.held_out):
            assert min(bottom - top, right - left) >= 64
            taken[top:bottom, left:right] += 1
        assert taken.max() <= 1
    if len(sizes) >= 4:
        assert not any(map(min, zip(trained, held_out, strict=True)))  # whole images are held out


@pytest.mark.parametrize('size', [(300, 451), (256, 256), (100, 700), (2000, 3000)])
def test_no_pixel_of_an_image_is_lost(size):
    taken = np.zeros(size, int)
    for top, left, bottom, right in split(*size, 256):
        assert all(256 <= side < 512 or side in size for side in (bottom - top, right - left))
        taken[top:bottom, left:right] += 1
    assert (taken == 1).all()


def test_small_images_are_used_whole():
    cuts = plan_cuts(images(*[(300, 451)] * 12), 256, 50, seed=0)
    used = sum((bottom - top) * (right - left) for cut in cuts for top, left, bottom, right in cut.train)
    assert used == 11 * 300 * 451 and len(cuts[6].held_out) == 1


def test_a_few_tiny_images_do_not_make_all_crops_tiny(tmp_path):
    for number, size in enumerate([(300, 200)] * 5 + [(70, 80)]):
        cv2.imwrite(str(tmp_path / f'{number}.png'), noisy_image(*size, number))
    usable, left_out = survey_for_training(sorted(tmp_path.iterdir()))
    assert len(usable) == 5 and [Path(name).name for name in left_out] == ['5.png']
    usable, left_out = survey_for_training(sorted(tmp_path.iterdir())[3:])
    assert len(usable) == 3 and not left_out  # too few others


def test_patches_are_shared_out_among_the_images():
    cuts = plan_cuts(images(*[(256, 256)] * 4, *[(2560, 2560)] * 4), 256, 43, seed=1)
    counts = [len(cut.train) for cut in cuts if cut.train]
    assert sum(counts) == 43 and counts[:3] == [1, 1, 1] and min(counts[-3:]) >= 9


def test_too_little_to_train_on_is_refused():
    with pytest.raises(UserError, match='too small to train on'):
        plan_cuts(images((64, 100)), 256, 50, seed=0)


def test_other_kinds_of_images_become_rgb(tmp_path):
    grey = np.arange(64 * 65, dtype=np.uint16).reshape(64, 65).astype(np.uint8)
    cv2.imwrite(str(tmp_path / 'grey.png'), grey)
    assert np.array_equal(read_pixels(tmp_path / 'grey.png'), np.dstack([grey] * 3))
    deep = np.random.default_rng(0).integers(0, 65536, (64, 64, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / 'deep.png'), deep[..., ::-1])
    assert np.array_equal(read_pixels(tmp_path / 'deep.png'), (deep / 257).round().astype(np.uint8))


@pytest.mark.parametrize('bits', [10, 12, 14])
@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_files_of_16_bits_that_use_fewer_are_trained_on_in_full(tmp_path, bits, suffix):
    """Scanners and raw converters write 10 or 12 bits into 16: a sixteenth of the range, 15 values of 8 bits."""
    values = np.random.default_rng(0).integers(0, 2**bits, (128, 256, 3)).astype(np.uint16)
    path = tmp_path / f'deep.{suffix}'
    cv2.imwrite(str(path), values[..., ::-1])
    expected = (values * (255 / (2**bits - 1))).round()
    assert np.abs(read_pixels(path) - expected).max() <= 1
    cuts = plan_cuts({path: (128, 256)}, 64, 100, seed=0)
    write_patches(cuts[0], read_pixels(path), tmp_path, 'deep')
    for patch in (tmp_path / 'patches').rglob('*.png'):
        assert len(np.unique(read_png(patch))) == 256


def test_flat_patches_are_left_out_and_one_is_always_held_out(tmp_path):
    image = noisy_image(128, 256, 0)
    path = tmp_path / 'a.png'
    cuts = plan_cuts({path: (128, 256)}, 64, 100, seed=0)
    (top, left, _, _), *others = cuts[0].held_out
    assert not others and len(cuts[0].train) == 7
    image[top : top + 64, left : left + 64] = 255
    cv2.imwrite(str(path), image)
    for _ in range(2):  # a second time changes nothing
        write_patches(cuts[0], read_pixels(path), tmp_path, 'image0000')
        assert hold_one_out(tmp_path) == (6, 1)
    names = [file.name for file in (tmp_path / 'patches').rglob('*.png')]
    assert len(set(names)) == 7 and f'image0000_y{top:05d}_x{left:05d}.png' not in names


def test_strides_follow_the_noise():
    rng = np.random.default_rng(0)
    white = rng.normal(0, 0.1, (3, 400, 400))
    blurred = np.stack([cv2.blur(channel, (3, 3)) for channel in white]) * 3

    def strides(noise, **given):
        image = np.clip(0.5 + noise.transpose(1, 2, 0), 0, 1).astype(np.float32)
        return choose_strides(report_noise([noise_spectra(image)]), **given)

    def pair(chosen):
        return chosen['train_stride'], chosen['test_stride']

    assert pair(strides(white)) == (1, 1) and pair(strides(blurred)) == (3, 2)
    given = strides(white, train=4)
    assert pair(given) == (4, 1) and 'train stride 4 as given' in given['reason']
    unknown = choose_strides(report_noise([]))
    assert pair(unknown) == (5, 2) and 'the usual 5' in unknown['reason']


def test_survey_says_why_an_image_is_left_out(tmp_path):
    (tmp_path / 'empty.jpg').write_bytes(b'')
    cv2.imwrite(str(tmp_path / 'good.png'), noisy_image(70, 90, 0))
    cv2.imwrite(str(tmp_path / 'strip.png'), noisy_image(1, 500, 0))
    usable, left_out = survey_for_training(sorted(tmp_path.iterdir()))
    assert usable == {tmp_path / 'good.png': (70, 90)}
    assert {Path(name).name: why.split(':')[0] for name, why in left_out.items()} == {
        'empty.jpg': 'unreadable', 'strip.png': 'too small'
    }  # fmt: skip


def test_time_is_shared_out_and_the_number_of_steps_fixes_all():
    costs = dict(teacher=0.25, student=0.3, patch=1.7)
    plan = plan_steps(costs, available=1000, held_out=8, minutes=15, iterations=None)
    assert 0.9 * 15 * 60 < plan.seconds <= 15 * 60 and plan.student == plan.teacher // 2
    slower = dict(teacher=1.0, student=1.0, patch=1.0)
    again = plan_steps(slower, available=1000, held_out=8, minutes=1, iterations=plan.teacher)
    assert (again.teacher, again.student, again.patches) == (plan.teacher, plan.student, plan.patches)
    assert plan_steps(costs, 7, 1, 15, None).patches == 7
    with pytest.raises(UserError, match=r'1 minutes are too few here: --minutes .* is the least') as error:
        refuse_too_little_time(costs, 1000, 8, 1)
    least = float(str(error.value).split('--minutes ')[1].split()[0])
    assert plan_steps(costs, 1000, 8, least, None).seconds <= least * 60
    refuse_too_little_time(costs, 1000, 8, least)
    assert plan_steps(costs, 1000, 8, 1, None).teacher == 50  # once patches are cut, nothing is refused any more


@pytest.mark.parametrize(
    ('patch', 'stride', 'wanted', 'crop'),
    [
        (256, 5, 160, 160),
        (256, 5, 120, 120),
        (256, 3, 160, 144),
        (128, 5, 160, 120),
        (64, 8, 120, 64),
        (64, 5, 120, 40),
    ],
)
def test_crops_fit_stride_and_network(patch, stride, wanted, crop):
    assert crop_size(patch, stride, wanted) == crop


def test_options_read_as_meant():
    fit = begun_with(Settings(seed=7))
    fit.facts('prepare').update(train=90, train_stride=5, test_stride=2, reason='noise: # odd, {text}')
    fit.facts('plan').update(
        teacher=1800, student=900, patches=90, batch=2, crop=160, student_crop=112,
        costs={'teacher': 0.25, 'student': 0.25},
    )  # fmt: skip
    teacher = yaml.load(teacher_options(fit, None), Loader=OptionsLoader)
    assert teacher['scheme'] == {'train_stride': 5, 'test_stride': 2, 'branches': 2}
    assert teacher['network_g'] == {'type': 'NAFNet', **network_options(16)}
    assert teacher['path']['pretrain_network_g'] is None and teacher['manual_seed'] == 7
    assert teacher['train']['scheduler']['periods'] == [1800] and teacher['train']['optim_g']['lr'] == 2e-3
    student = yaml.load(student_options(fit, 'init.pth'), Loader=OptionsLoader)
    assert student['model_type'] == 'SRModel' and student['datasets']['train']['io_backend'] == {'type': 'disk'}
    assert student['datasets']['train']['gt_size'] == 112 and student['path']['pretrain_network_g'] == 'init.pth'
    assert teacher['logger']['save_checkpoint_freq'] == 360  # every 90 seconds


def test_student_learns_from_all_images(tmp_path):
    for number in range(10):
        (tmp_path / f'{number}.png').write_bytes(b'')
    assert [path.name for path in spread(sorted(tmp_path.iterdir()), 5)] == [
        '1.png',
        '3.png',
        '5.png',
        '7.png',
        '9.png',
    ]
    assert len(spread(sorted(tmp_path.iterdir()), 10)) == 10


def test_neighbours_predict_a_plane_and_not_noise():
    ramp = np.tile(np.arange(100, dtype=np.uint8)[:, None, None], (1, 100, 3))
    assert neighbour_loss(ramp[:, ::-1], 2) < 0.5 / 255
    noise = np.random.default_rng(0).normal(128, 20, (100, 100, 3)).astype(np.uint8)
    expected = 20 * (1 + 1 / 8) ** 0.5 * (2 / np.pi) ** 0.5 / 255
    assert neighbour_loss(noise, 1) == pytest.approx(expected, rel=0.03)


def test_record_of_another_program_is_refused(tmp_path):
    (tmp_path / 'fit.json').write_text('{"made_by": "someone else"}')
    with pytest.raises(UserError, match='damaged or of another version'):
        Fit.read(tmp_path)


def test_record_survives_and_adds_up(tmp_path):
    record = Fit.begin(tmp_path, Settings(width=8), {'a.png': 5})
    with pytest.raises(KeyError), record.stage('prepare') as facts:
        facts['found'] = 3
        raise KeyError
    again = Fit.read(tmp_path)
    assert again.settings == Settings(width=8) and again.images == {'a.png': 5} and not again.done('prepare')
    with again.stage('prepare'):
        pass
    final = Fit.read(tmp_path).facts('prepare')
    assert final['done'] and final['runs'] == 2 and final['found'] == 3 and final['seconds'] >= 0


def test_the_shipped_teacher_is_where_a_fit_starts_unless_told_otherwise(tmp_path):
    images = {'a.png': 1}
    for number, (settings, expected) in enumerate(
        [
            (Settings(), SHIPPED / TEACHER),
            (Settings(init='none'), None),
            (Settings(width=8), None),
        ]
    ):
        record = fit._begin(tmp_path / str(number), settings, images)
        assert start_weights(record.settings) == expected
        put_start_weights(record)
        assert (record.folder / TEACHER_INIT).is_file() == (expected is not None)
    assert student_network(record) == network_options(8) and not (record.folder / STUDENT_INIT).exists()
    record = fit._begin(tmp_path / 'shipped', Settings(), images)
    put_start_weights(record)
    net = NAFNet(**student_network(record))
    net.load_state_dict(torch.load(record.folder / STUDENT_INIT)['params'])  # what BasicSR will do
    weights = torch.load(record.folder / TEACHER_INIT)['params']
    assert {value.dtype for value in weights.values()} == {torch.float32}


def begun(folder: Path, *arguments: str) -> int:
    return fit.main([*arguments, '-o', str(folder)])


def test_a_mistake_leaves_the_work_of_a_fit_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fit, '_run', lambda fit: [])  # begin, and no more
    image = tmp_path / 'a.png'
    cv2.imwrite(str(image), noisy_image(96, 96, 0))
    folder = tmp_path / 'm'
    assert begun(folder, str(image), '--seed', '7') == 0
    (folder / 'patches').mkdir()
    (folder / 'teacher.safetensors').write_bytes(b'of a fit')
    for wrong in (str(tmp_path / 'typo.safetensors'), str(folder / 'teacher.safetensors')):
        assert begun(folder, '--restart', '--init', wrong) == 1
        assert '--init' in capsys.readouterr().err and (folder / 'patches').is_dir()
    # Another width has no shipped teacher to start from; what else was said stays.
    assert begun(folder, '--width', '8') == 0
    record = Fit.read(folder)
    assert record.settings == Settings(width=8, seed=7)
    assert begun(folder, '--restart', '--patch', '128') == 0
    assert Fit.read(folder).settings == Settings(width=8, seed=7, patch=128)


def test_the_noise_is_estimated_from_all_patches_together(tmp_path):
    """A patch of texture would pass for noise, and a blurred result for the better one."""
    rng = np.random.default_rng(0)
    for number in range(12):
        texture = 40 * cv2.GaussianBlur(rng.normal(size=(128, 128, 1)), (0, 0), 1)[..., None] * (number % 4 == 0)
        noisy = 128 + texture + rng.normal(0, 10, (128, 128, 3))
        path = tmp_path / 'patches' / ('train' if number else 'held_out') / f'{number}.png'
        write_png(path, noisy.clip(0, 255).round().astype(np.uint8))
    (shipped,) = as_run([load_model(None)], torch.device('cpu'))
    assert 255 * noise_of_patches(tmp_path, shipped, torch.device('cpu')).sigma == pytest.approx(10, rel=0.1)


def test_a_model_worse_than_the_shipped_one_or_hardly_trained_is_never_advised(tmp_path):
    facts = {'student_to_teacher': 40.0}
    better = {'gain': 7.0, 'standard_error': 3.0, 'is_better': True}
    for measured, curve, advised, line in (
        (better | {'gain': -40.0, 'is_better': False}, [], False, 'differs by +40.0 ± 3.0, as estimated'),
        (better, [[10, 0.09]], True, None),
        ({}, [], False, 'compare by eye'),
        (better, [[10, 0.11]], False, 'no better (0.1100) than the mean'),
    ):
        record = begun_with(Settings(), tmp_path / 'm')
        record.facts('pack').update(facts, **measured)
        record.facts('teacher').update(curve=curve, neighbours=0.1)
        assert is_advised(record) == advised
        assert [line in found for found in doubts(record)] == [True] * bool(line)
        assert any('--model' in step for step in next_steps(record)) == advised
