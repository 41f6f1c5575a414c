"""A folder of images to an LMDB, by the real command: rules, report, kills, mistakes."""

import io
import json
import os
import runpy
import shutil
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest
from PIL import Image

from amsnet_basicsr.images import decode_image
from amsnet_basicsr.options.reader import read_options
from amsnet_basicsr.prepare.image_patches import SIMILAR, difference_hash, find_similar, is_flat
from tests.conftest import REPOSITORY, noisy_image
from tests.prepare.conftest import done_groups

SCRIPT = REPOSITORY / 'scripts' / 'prepare_photos.py'


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    """Write by Pillow, 8 bit; pixels are RGB, RGBA or grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def rgb(height: int, width: int, seed: int) -> np.ndarray:
    return np.ascontiguousarray(noisy_image(height, width, seed)[..., ::-1])


def read_lmdb(folder: Path) -> dict[str, bytes]:
    with lmdb.open(str(folder), readonly=True, lock=False) as env, env.begin() as txn:
        return {bytes(key).decode(): bytes(value) for key, value in txn.cursor()}


def listed(folder: Path) -> list[str]:
    return (folder / 'meta_info.txt').read_text().splitlines()


@pytest.fixture
def prepare(capsys):
    """Run the command here, as starting Python takes longer than the work."""
    main = runpy.run_path(str(SCRIPT))['main']

    def run(*arguments: object, fails: bool = False) -> str:
        status = main([*map(str, arguments), '--workers', '2'])
        output = capsys.readouterr()
        assert (status != 0) == fails, output.err
        return output.err if fails else output.out

    return run


def test_each_kind_of_image_by_the_rules(prepare, tmp_path):
    folder, target = tmp_path / 'photos', tmp_path / 'new' / 'mine.lmdb'
    jpeg = rgb(70, 90, 0)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    save(folder / 'a.JPG', jpeg, quality=95, exif=exif.tobytes())
    plain = rgb(64, 64, 1)
    save(folder / 'trip to' / 'ä b.png', plain)
    deep = np.random.default_rng(0).integers(1000, 60000, (64, 64, 3), np.uint16)
    cv2.imwrite(str(folder / 'deep.tif'), deep[..., ::-1])
    opaque = np.dstack([rgb(64, 64, 3), np.full((64, 64), 255, np.uint8)])
    save(folder / 'opaque.png', opaque)
    opaque[5, 5, 3] = 254
    save(folder / 'clear.png', opaque)
    save(folder / 'grey.png', plain[..., 0])
    save(folder / 'grey3.png', np.repeat(plain[..., :1], 3, axis=2))
    save(folder / 'small.png', plain[:63])
    Image.fromarray(plain).convert('CMYK').save(folder / 'print.jpg')
    cut = save(folder / 'cut.png', plain)
    cut.write_bytes(cut.read_bytes()[:2000])
    (folder / 'other.jxl').write_bytes(b'raw')
    (folder / '.hidden.png').write_bytes(b'')

    out = prepare(folder, '-o', target, '--size', 64, '--step', 64)

    report = json.loads((target / 'report.json').read_text())
    assert report['left_out'] == {'grey': 2, 'unreadable': 2, 'transparent': 1, 'too small': 1}
    assert report['files_left_out']['small.png'] == 'too small: 64×63 pixels'
    assert 'CMYK' in report['files_left_out']['print.jpg']
    assert (report['found'], report['taken'], report['jpeg'], report['others']) == (10, 4, 1, {'.jxl': 1})
    assert 'Left out: 2 grey, 2 unreadable, 1 too small, 1 transparent' in out
    assert '1 of 4 are JPEG' in out

    images, lines = read_lmdb(target), listed(target)
    assert len(images) == len(lines) == report['patches'] == 4 + 3
    assert all(line.endswith('.png (64,64,3) 1') for line in lines)
    assert {line.split('.')[0] for line in lines} == set(images)
    pixels = {key: decode_image(content, key) for key, content in images.items()}
    found = {name: [value for key, value in pixels.items() if name in key] for name in ('a_JPG', 'b_png', 'deep', 'op')}
    assert np.array_equal(found['b_png'][0], plain)
    assert found['deep'][0].dtype == np.uint16 and np.array_equal(found['deep'][0], deep)
    assert np.array_equal(found['op'][0], opaque[..., :3])
    upright = np.rot90(np.asarray(Image.open(folder / 'a.JPG')), -1)  # 90×70: two rows, two columns
    assert np.abs(found['a_JPG'][3].astype(int) - upright[26:, 6:]).max() <= 2  # decoders of JPEG differ a little

    # Grey ones only if asked for; nothing is replaced unasked.
    assert 'mine.lmdb exists already' in prepare(folder, '-o', target, '--size', 64, fails=True)
    assert len(read_lmdb(target)) == 7
    prepare(folder, '-o', target, '--size', 64, '--step', 64, '--keep-grey', '--overwrite')
    greys = [decode_image(value, key) for key, value in read_lmdb(target).items() if 'grey' in key]
    assert len(greys) == 2 and all(np.array_equal(grey, np.repeat(plain[..., :1], 3, axis=2)) for grey in greys)
    assert sorted(path.name for path in target.parent.iterdir()) == ['mine.lmdb']  # nothing else is left


def test_used_range_of_16_bits_and_damaged_metadata(prepare, tmp_path):
    folder, target = tmp_path / 'photos', tmp_path / 'mine.lmdb'
    folder.mkdir()
    values = np.random.default_rng(0).integers(0, 4096, (64, 64, 3), np.uint16)  # of 12 bits
    cv2.imwrite(str(folder / 'deep.tif'), values[..., ::-1])
    save(folder / 'icc.png', rgb(64, 64, 1), icc_profile=b'no profile')
    save(folder / 'exif.jpg', rgb(64, 64, 2), exif=b'Exif\0\0II*\0\xff\xff\xff\xff')
    prepare(folder, '-o', target, '--size', 64)
    pixels = {key.split('_')[0]: decode_image(content, key) for key, content in read_lmdb(target).items()}
    assert np.abs(pixels['deep'] / 65535 - values / 4095).max() < 1e-4
    assert np.array_equal(pixels['icc'], rgb(64, 64, 1)) and pixels['exif'].shape == (64, 64, 3)


def test_training_reads_it_and_the_next_steps_are_options_that_exist(prepare, tmp_path):
    folder, target = tmp_path / 'photos', tmp_path / 'mine.lmdb'
    for number in range(2):
        save(folder / f'{number}.png', np.random.default_rng(number).normal(120, 9, (256, 256, 3)).astype(np.uint8))
    out = prepare(folder, '-o', target, '--size', 128, '--step', 128)
    assert 'Recommended train stride: 1' in out

    options = read_options(str(REPOSITORY / 'options' / 'train_amsnet_small.yml'))
    lines = dict(line.strip().split(': ', 1) for line in out.splitlines() if line.startswith('  ') and ': ' in line)
    assert lines['datasets.train.dataroot_lq'] == str(target)
    assert lines['scheme.train_stride'] == lines['scheme.test_stride'] == '1'
    assert lines['datasets.train.crop_size'] == '128'
    for name in lines:
        level = options
        for key in name.split('.'):
            level = level[key]  # KeyError if there is no such option
    assert out.rstrip().endswith('python basicsr/train.py -opt options/train_amsnet_small.yml')

    from amsnet_basicsr.data import NoisyImageDataset

    dataset = NoisyImageDataset({'phase': 'train', 'dataroot_lq': str(target), 'crop_size': 128})
    assert len(dataset) == 8
    assert dataset[7]['lq'].shape == (3, 128, 128)


def test_near_duplicates_and_flat_patches_on_demand(prepare, tmp_path):
    folder = tmp_path / 'photos'
    image = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 4000, (128, 192, 3)), (0, 0), 20) + 120
    noise = np.random.default_rng(1).normal(0, 6, image.shape)
    first = (image + noise).clip(1, 254).astype(np.uint8)
    save(folder / '1.png', first)
    save(folder / '2 again.jpg', first, quality=70)
    save(folder / '3 other.png', first[:, ::-1])
    burnt = first.copy()[::-1]
    burnt[:64, :64] = 255  # clipped
    burnt[:64, 64:128] = 77  # no noise at all
    save(folder / '4 burnt.png', burnt)
    white = np.random.default_rng(2).choice([255, 254], (64, 64, 3), p=[0.8, 0.2])
    save(folder / '5 white.png', white.astype(np.uint8))

    prepare(folder, '-o', tmp_path / 'all.lmdb', '--size', 64, '--step', 64)
    assert len(read_lmdb(tmp_path / 'all.lmdb')) == 4 * 6 + 1
    out = prepare(folder, '-o', tmp_path / 'few.lmdb', '--size', 64, '--step', 64, '--drop-flat', '--drop-duplicates')
    report = json.loads((tmp_path / 'few.lmdb' / 'report.json').read_text())
    left_out = {'2 again.jpg': 'near-duplicate: of 1.png', '5 white.png': 'flat: all its patches are'}
    assert report['files_left_out'] == left_out
    assert report['flat_patches'] == 2 and 'Flat patches left out: 2' in out
    assert len(read_lmdb(tmp_path / 'few.lmdb')) == 6 + 6 + 4


def test_flat_means_clipped_or_without_noise():
    rng = np.random.default_rng(0)
    smooth = np.full((64, 64, 3), 120) + rng.normal(0, 2, (64, 64, 3)).round()
    assert not is_flat(smooth.astype(np.uint8))
    assert is_flat(np.full((64, 64, 3), 120, np.uint8))
    assert is_flat(np.full((64, 64, 3), 30000, np.uint16) + rng.integers(0, 2, (64, 64, 3), np.uint16))
    half = smooth.astype(np.uint8)
    half[:33, :, 0] = 255
    assert is_flat(half)
    half[32] = 120
    assert not is_flat(half)


def test_hashes_find_copies_and_tell_images_apart():
    import skimage.data

    images = {name: getattr(skimage.data, name)() for name in ('astronaut', 'chelsea', 'coffee', 'rocket')}
    codes = {name: difference_hash(image) for name, image in images.items()}
    for name, code in codes.items():
        assert find_similar(code, {other: codes[other] for other in codes if other != name}) is None
    for name, image in images.items():
        small = cv2.resize(image, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
        buffer = io.BytesIO()
        Image.fromarray(small).save(buffer, 'JPEG', quality=60)
        assert find_similar(difference_hash(np.asarray(Image.open(buffer))), codes) == name
        assert find_similar(difference_hash(image.astype(np.uint16) * 257), codes) == name
        assert find_similar(difference_hash(image[:, ::-1]), codes) is None
    many = {str(number): int.from_bytes(np.random.default_rng(number).bytes(32), 'big') for number in range(200)}
    assert find_similar(many['150'], many) == '150'
    assert find_similar(many['150'] ^ (2**SIMILAR - 1), many) == '150'
    assert find_similar(many['150'] ^ (2 ** (SIMILAR + 1) - 1), many) is None


def test_a_killed_run_leaves_no_lmdb_and_is_resumed(prepare, fork_server, tmp_path):
    folder, target, partial = tmp_path / 'photos', tmp_path / 'mine.lmdb', tmp_path / 'mine.lmdb.partial'
    count = 40
    for number in range(count):
        image = np.roll(rgb(160, 160, number), 7 * number, axis=0)[:, :: 1 - 2 * (number % 2)]
        save(folder / f'{number:02d}.png', np.ascontiguousarray(image), compress_level=0)
    shutil.copy(folder / '00.png', folder / '99.png')
    rules = ['--size', '64', '--step', '16', '--drop-duplicates']
    fork_server.killed(SCRIPT, folder, '-o', target, *rules, '--workers', '1', cwd=tmp_path, when='photos/09.png')
    assert not target.exists()
    done = done_groups(partial)
    assert 2 <= done < count

    assert 'other settings' in prepare(folder, '-o', target, '--size', 32, fails=True)
    changed = (folder / '01.png').stat().st_mtime_ns
    os.utime(folder / '01.png', ns=(0, 0))
    assert '01.png has changed' in prepare(folder, '-o', target, *rules, fails=True)
    os.utime(folder / '01.png', ns=(0, changed))
    assert f'Resuming: {done} of {count + 1} are done already' in prepare(folder, '-o', target, *rules)
    assert not partial.exists()
    report = json.loads((target / 'report.json').read_text())
    assert report['files_left_out']['99.png'] == 'near-duplicate: of 00.png'  # which only the first run has read

    prepare(folder, '-o', tmp_path / 'at_once.lmdb', *rules)
    assert read_lmdb(target) == read_lmdb(tmp_path / 'at_once.lmdb')
    assert listed(target) == listed(tmp_path / 'at_once.lmdb')


def test_a_run_stopped_before_the_renaming_is_finished(prepare, tmp_path, monkeypatch):
    folder, target = tmp_path / 'photos', tmp_path / 'mine.lmdb'
    save(folder / '0.png', rgb(64, 64, 0))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr('amsnet_basicsr.prepare.lmdb_build.publish', stop)
        assert 'stopped' in prepare(folder, '-o', target, '--size', 64, fails=True)
    assert 'size 64 instead of 32' in prepare(folder, '-o', target, '--size', 32, fails=True)
    assert 'Resuming: 1 of 1' in prepare(folder, '-o', target, '--size', 64)
    assert json.loads((target / 'report.json').read_text())['patches'] == len(read_lmdb(target)) == 1
    target.rename(tmp_path / 'mine.lmdb.partial')
    prepare(folder, '-o', target, '--size', 32, '--step', 32, '--restart')
    assert len(read_lmdb(target)) == 4


def test_estimate_only_makes_nothing(prepare, tmp_path):
    folder = tmp_path / 'photos'
    noise = np.random.default_rng(0).normal(0, 20, (256, 256, 3))
    save(folder / '0.png', (cv2.blur(noise, (2, 2)) + 128).astype(np.uint8))
    (folder / '1.png').write_bytes(b'no image')
    out = prepare(folder, '--estimate-only')
    assert 'flat patches of 1 images' in out and 'Next' not in out
    mean = next(line for line in out.splitlines() if line.strip().startswith('mean')).split()
    assert abs(float(mean[1]) - 0.5) < 0.05
    assert [path.name for path in tmp_path.iterdir()] == ['photos']


def test_without_an_estimate_the_usual_stride_is_named(prepare, tmp_path):
    save(tmp_path / 'photos' / '0.png', rgb(48, 48, 0))
    out = prepare(tmp_path / 'photos', '-o', tmp_path / 'mine.lmdb', '--size', 48)
    assert 'Noise: no estimate' in out
    assert 'scheme.train_stride: 5' in out and 'crop_size: 45' in out


def test_a_broken_link_and_a_name_that_is_no_text_are_left_out(prepare, tmp_path):
    folder = tmp_path / 'photos'
    save(folder / '0.png', rgb(64, 64, 0))
    (folder / '1.png').symlink_to('nowhere.png')
    (folder / os.fsdecode(b'caf\xe9.png')).write_bytes(b'no image')
    prepare(folder, '-o', tmp_path / 'mine.lmdb', '--size', 64)
    assert len(listed(tmp_path / 'mine.lmdb')) == 1


def test_folders_that_cannot_be_searched_are_named_and_the_rest_goes_on(prepare, tmp_path, closed_folders):
    folder = tmp_path / 'photos'
    save(folder / '0.png', rgb(64, 64, 0))
    save(folder / 'closed' / '1.png', rgb(64, 64, 1))

    out = prepare(folder, '-o', tmp_path / 'mine.lmdb', '--size', 64)
    assert 'Left out: 1 unreadable' in out
    report = json.loads((tmp_path / 'mine.lmdb' / 'report.json').read_text())
    assert report['files_left_out'] == {'closed': 'unreadable: cannot be searched: Permission denied'}


def test_mistakes_are_told_in_one_line(prepare, tmp_path, capsys):
    folder, target = tmp_path / 'photos', tmp_path / 'mine.lmdb'
    assert prepare(folder, '-o', target, fails=True) == f'prepare_photos.py: there is no folder {folder}\n'
    folder.mkdir()
    (folder / 'a.jxl').write_bytes(b'')
    assert 'holds no image' in (line := prepare(folder, '-o', target, fails=True)) and '1 .jxl' in line
    save(folder / 'grey.png', rgb(64, 64, 0)[..., 0])
    save(folder / 'small.png', rgb(32, 32, 0))
    line = prepare(folder, '-o', target, '--size', 64, fails=True)
    assert 'none of the 2 images serves: 1 grey, 1 too small' in line and line.count('\n') == 1
    assert 'end in .lmdb' in prepare(folder, '-o', tmp_path / 'mine', fails=True)
    assert '--size must be at least 32' in prepare(folder, '-o', target, '--size', 8, fails=True)
    assert '--step' in prepare(folder, '-o', target, '--step', 0, fails=True)
    for arguments in ([folder], [folder, '-o', target, '--estimate-only'], [folder, '-o', target, '--wat']):
        with pytest.raises(SystemExit) as stop:
            prepare(*arguments)
        assert stop.value.code == 2
    assert not target.exists()
