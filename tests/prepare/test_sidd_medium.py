"""SIDD-Medium to LMDB: from folders and zips in the published layout, killed and resumed, by the real command."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest

from amsnet_basicsr.images import decode_image, png
from amsnet_basicsr.prepare.build_records import Choices, Group, Made
from amsnet_basicsr.prepare.image_patches import patch_offsets
from amsnet_basicsr.prepare.lmdb_build import open_build
from amsnet_basicsr.prepare.sidd.medium import find_noisy_images, make_medium_lmdb, patch_key
from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.parallel import ordered_map
from tests.conftest import REPOSITORY, noisy_image
from tests.prepare.conftest import done_groups

SCRIPT = REPOSITORY / 'scripts' / 'prepare_sidd.py'
SCENES = ('0001_001_S6_00100_00060_3200_L', '0002_001_S6_00100_00020_3200_N', '0003_002_IP_00800_01000_5500_L')


def make_tree(root: Path, scenes: tuple[str, ...] = SCENES, size: tuple[int, int] = (100, 140)) -> Path:
    """Write scenes as SIDD_Medium_Srgb has them: two noisy images each, and their ground truth."""
    for number, scene in enumerate(scenes):
        folder = root / 'Data' / scene
        folder.mkdir(parents=True)
        for shot in (10, 11):
            for kind in ('NOISY', 'GT'):
                image = noisy_image(*size, seed=100 * number + shot + (kind == 'GT'))
                cv2.imwrite(str(folder / f'{scene[:4]}_{kind}_SRGB_{shot:03d}.PNG'), image)
    return root


def zip_tree(root: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob('*')):
            archive.write(path, Path('SIDD_Medium_Srgb') / path.relative_to(root))
        archive.writestr(f'__MACOSX/{SCENES[0]}/._0001_NOISY_SRGB_010.PNG', b'not an image')
    return target


def content(folder: Path) -> tuple[dict[bytes, bytes], str]:
    with lmdb.open(str(folder), readonly=True, lock=False) as env, env.begin() as txn:
        return {bytes(key): bytes(value) for key, value in txn.cursor()}, (folder / 'meta_info.txt').read_text()


@pytest.fixture
def prepare(run_script):
    return run_script(SCRIPT)


def refused(result: subprocess.CompletedProcess, *messages: str) -> None:
    assert result.returncode == 1
    assert all(message in result.stderr for message in messages), result.stderr
    assert result.stderr.count('\n') == 1


@pytest.mark.parametrize(('length', 'size', 'step'), [(10, 10, 3), (11, 10, 3), (13, 4, 3), (14, 4, 3), (100, 32, 50)])
def test_patches_reach_the_border(length, size, step):
    starts = [left for _, left in patch_offsets(size, length, size, step)]
    assert starts[0] == 0 and starts[-1] == length - size
    assert all(0 < b - a <= step for a, b in itertools.pairwise(starts))
    assert len(patch_offsets(length, 2 * length, size, step)) == len(starts) * len(
        patch_offsets(size, 2 * length, size, step)
    )


def test_a_published_image_makes_the_paper_s_number_of_patches():
    # 5328×3000 (Galaxy S6): 19 steps of 256 and a flush column, 9 and a flush row.
    assert len(patch_offsets(3000, 5328, 512, 256)) == 20 * 11


def test_zip_and_folder_give_the_patches_of_the_noisy_images(prepare, tmp_path):
    tree = make_tree(tmp_path / 'SIDD_Medium_Srgb')
    result = prepare('medium', zip_tree(tree, tmp_path / 'medium.zip'), '--size', 64, '--step', 32)
    assert result.returncode == 0, result.stderr
    target = tmp_path / 'datasets' / 'SIDD_Medium' / 'noisy_64.lmdb'
    # 100 → 0, 32, 36; 140 → 0, 32, 64, 76
    assert re.search(r'noisy_64\.lmdb: 72 patches from 6 noisy images, [\d.]+kB\nNext: python ', result.stdout)
    assert 'Warning: 6 noisy images found; SIDD-Medium has 320' in result.stdout
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    values, listing = content(target)
    lines = listing.splitlines()
    assert lines[1] == '0001_001_S6_00100_00060_3200_L_010_y0000_x0032.png (64,64,3) 1'
    assert lines == sorted(lines) and {line.split('.')[0].encode() for line in lines} == set(values)
    image = cv2.imread(str(tree / 'Data' / SCENES[2] / '0003_NOISY_SRGB_011.PNG'))
    for top, left in patch_offsets(100, 140, 64, 32):
        patch = values[patch_key(f'{SCENES[2]}_011', top, left).encode()]
        assert np.array_equal(cv2.imdecode(np.frombuffer(patch, np.uint8), 1), image[top : top + 64, left : left + 64])
    assert prepare('medium', tree, '--size', 64, '--step', 32, '-o', 'other/a.lmdb').returncode == 0
    assert content(tmp_path / 'other' / 'a.lmdb') == (values, listing)


def test_basicsr_and_our_dataset_read_it(tmp_path):
    target = tmp_path / 'noisy.lmdb'
    tree = make_tree(tmp_path / 'tree', SCENES[:1])
    make_medium_lmdb([tree], target, 64, 32, Choices())
    from amsnet_basicsr.data import NoisyImageDataset

    from basicsr.utils import imfrombytes  # isort: skip
    from basicsr.utils.file_client import LmdbBackend

    dataset = NoisyImageDataset(
        {'name': 'm', 'phase': 'train', 'dataroot_lq': str(target), 'io_backend': {'type': 'lmdb'}, 'crop_size': 40}
    )
    assert len(dataset) == 24 and dataset[23]['lq'].shape == (3, 40, 40)
    # BasicSR's own reader, not the one that this package puts in its place; lmdb opens a path once in a process only.
    client = LmdbBackend(str(shutil.copytree(target, tmp_path / 'copy.lmdb')), 'lq')
    patch = imfrombytes(client.get(f'{SCENES[0]}_010_y0036_x0076', 'lq'))
    assert np.array_equal(patch, cv2.imread(str(tree / 'Data' / SCENES[0] / '0001_NOISY_SRGB_010.PNG'))[36:, 76:])


def test_several_zips_and_a_folder_of_them(tmp_path):
    parts = tmp_path / 'parts'
    parts.mkdir()
    for number, scene in enumerate(SCENES):
        zip_tree(make_tree(tmp_path / scene, (scene,)), parts / f'part{number}.zip')
    keys = [f'{scene}_{shot}' for scene in SCENES for shot in ('010', '011')]
    assert [image.key for image in find_noisy_images(sorted(parts.iterdir()))] == keys
    assert [image.key for image in find_noisy_images([parts])] == keys
    with pytest.raises(ValueError, match=r'part0\.zip: .*_NOISY_SRGB_010\.PNG is there twice, also as .*0001_NOISY'):
        find_noisy_images([tmp_path / SCENES[0], parts / 'part0.zip'])


def test_a_killed_run_resumes_and_ends_the_same(tmp_path, fork_server, prepare):
    scenes = tuple(f'{number:04d}_001_S6_00100_00060_3200_L' for number in range(1, 11))
    tree = make_tree(tmp_path / 'tree', scenes, (200, 260))
    arguments = ['medium', tree, '--size', 64, '--step', 10, '-o', 'killed.lmdb', '--workers', 1]
    fork_server.killed(SCRIPT, *arguments, cwd=tmp_path, when='0004_NOISY', count=3)  # sizes are read first
    partial = tmp_path / 'killed.lmdb.partial'
    done = done_groups(partial)
    assert 2 <= done < 20
    assert not (tmp_path / 'killed.lmdb').exists()

    refused(prepare(*arguments[:5], 20, *arguments[6:]), 'killed.lmdb.partial was begun', 'step 10 instead of 20')
    refused(
        prepare('medium', tree / 'Data' / scenes[-1], *arguments[2:]), f'holds {scenes[0]}_010, which the input lacks'
    )
    assert done_groups(partial) == done
    result = prepare(*arguments)
    assert result.returncode == 0, result.stderr
    assert f'Resuming: {done} of 20 are done already' in result.stdout
    assert f'20 noisy images ({done} by earlier runs)' in result.stdout

    assert prepare(*arguments[:6], '-o', 'undisturbed.lmdb').returncode == 0
    assert content(tmp_path / 'killed.lmdb') == content(tmp_path / 'undisturbed.lmdb')
    assert not list(tmp_path.glob('*.partial')) and not list(tmp_path.glob('.*'))


def test_a_run_killed_before_the_renaming_resumes(tmp_path, prepare, monkeypatch):
    tree = make_tree(tmp_path / 'tree', SCENES[:1])

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr('amsnet_basicsr.prepare.lmdb_build.publish', stop)
        assert prepare('medium', tree, '--size', 64, '--step', 32, '-o', 'a.lmdb').returncode == 130
    assert not (tmp_path / 'a.lmdb').exists()
    refused(prepare('medium', tree, '--size', 60, '--step', 32, '-o', 'a.lmdb'), 'size 64 instead of 60')
    result = prepare('medium', tree, '--size', 64, '--step', 32, '-o', 'a.lmdb')
    assert result.returncode == 0 and '2 noisy images (2 by earlier runs)' in result.stdout
    assert len(content(tmp_path / 'a.lmdb')[0]) == 24
    os.rename(tmp_path / 'a.lmdb', tmp_path / 'a.lmdb.partial')  # a finished one, whose settings are no longer recorded
    refused(prepare('medium', tree, '--size', 64, '-o', 'a.lmdb'), 'an earlier version began it')


def test_an_existing_target_stays_until_the_new_one_is_whole(tmp_path, prepare):
    tree = make_tree(tmp_path / 'tree', SCENES[:2])
    arguments = ('medium', tree, '--size', 64, '-o', 'a.lmdb')
    assert prepare(*arguments).returncode == 0
    before = content(tmp_path / 'a.lmdb')
    refused(prepare(*arguments), 'a.lmdb exists already; --overwrite')
    bad = tree / 'Data' / SCENES[0] / '0001_NOISY_SRGB_010.PNG'
    good = bad.read_bytes()
    bad.write_bytes(good[:-200])
    refused(prepare(*arguments, '--step', 32, '--overwrite'), '1 of 4 cannot be used', str(bad), 'breaks off')
    assert content(tmp_path / 'a.lmdb') == before
    bad.write_bytes(good)
    result = prepare(*arguments, '--step', 32, '--overwrite')
    assert result.returncode == 0 and '(3 by earlier runs)' in result.stdout
    assert len(content(tmp_path / 'a.lmdb')[0]) == 48 != len(before[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.lmdb', 'tree']


def test_damaged_images_are_named_and_can_be_left_out(tmp_path, prepare):
    tree = make_tree(tmp_path / 'tree')
    damaged = [tree / 'Data' / SCENES[0] / f'0001_NOISY_SRGB_{shot}.PNG' for shot in ('010', '011')]
    flipped = bytearray(damaged[0].read_bytes())
    flipped[len(flipped) // 2] ^= 1
    damaged[0].write_bytes(flipped)
    damaged[1].write_bytes(b'<html>404</html>')
    grey = tree / 'Data' / SCENES[1] / '0002_NOISY_SRGB_010.PNG'
    cv2.imwrite(str(grey), np.zeros((100, 100), np.uint8))
    arguments = ('medium', tree, '--size', 64, '-o', 'a.lmdb')
    result = prepare(*arguments)
    refused(result, '3 of 6 cannot be used', f'{damaged[0]}: the PNG is damaged', f'{damaged[1]}: it is no PNG')
    assert f'{grey}: it is a PNG, but not 8 bit RGB' in result.stderr and '--skip-damaged' in result.stderr
    assert not (tmp_path / 'a.lmdb').exists()
    result = prepare(*arguments, '--skip-damaged')
    assert result.returncode == 0 and result.stderr.count('Left out: ') == 3
    patches = content(tmp_path / 'a.lmdb')[0]
    assert {key.split(b'_y')[0].decode() for key in patches} == {
        f'{SCENES[1]}_011', f'{SCENES[2]}_010', f'{SCENES[2]}_011'
    }  # fmt: skip


def test_mistakes_take_one_line_and_write_nothing(tmp_path, prepare):
    tree = make_tree(tmp_path / 'tree', SCENES[:1])
    (tmp_path / 'empty').mkdir()
    zip_tree(tree, tmp_path / 'whole.zip')
    (tmp_path / 'torn.zip').write_bytes((tmp_path / 'whole.zip').read_bytes()[:-100])
    before = sorted(tmp_path.iterdir())
    for arguments, message in (
        (('nowhere',), 'there is no nowhere'),
        (('empty',), 'no *_NOISY_SRGB_*.PNG in empty'),
        (('torn.zip',), 'torn.zip is neither a folder nor a whole zip file'),
        ((tree, '-o', 'a'), 'a: BasicSR wants the name of an LMDB to end in .lmdb'),
        ((tree, '--step', 0), '--size and --step must be at least 1'),
    ):
        refused(prepare('medium', *arguments), message)
    assert sorted(tmp_path.iterdir()) == before
    refused(prepare('medium', tree, '-o', 'a.lmdb'), '2 of 2 cannot be used', 'less than a patch of --size 512')


def test_a_full_disk_is_told_before_anything_is_written(tmp_path, prepare):
    folder = tmp_path / 'tree' / SCENES[0]
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)
    cv2.imwrite(str(folder / '0001_NOISY_SRGB_010.PNG'), noise, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    # A patch at every pixel: three terabytes.
    result = prepare('medium', 'tree', '--size', 1000, '--step', 1, '-o', 'new/a.lmdb')
    refused(result, 'about 3.01TB are needed', 'free: make room')
    assert '1002001 patches of 1000×1000, about 3.01TB' in result.stdout
    assert not (tmp_path / 'new' / 'a.lmdb.partial').exists()


def test_a_disk_that_fills_up_costs_one_line_and_nothing_done(tmp_path, prepare):
    tree = make_tree(tmp_path / 'tree')
    arguments = ['medium', str(tree), '--size', '64', '--step', '8', '-o', 'a.lmdb', '--workers', '1']
    # No file may grow beyond 1000 kB: to the writer the same as a full disk.
    limited = ['bash', '-c', 'ulimit -f 1000; exec "$@"', '-', sys.executable, str(SCRIPT), *arguments]
    result = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    refused(result, 'a.lmdb.partial cannot be written', 'the same command resumes')
    done = done_groups(tmp_path / 'a.lmdb.partial')
    assert 1 <= done < 6
    assert f'Resuming: {done} of 6 are done already' in prepare(*arguments).stdout
    assert len(content(tmp_path / 'a.lmdb')[0]) == 6 * len(patch_offsets(100, 140, 64, 8))


def test_the_map_grows(tmp_path, monkeypatch):
    monkeypatch.setattr('amsnet_basicsr.prepare.lmdb_build._MAP_SIZE', 2**17)
    images = {f'k{number}': os.urandom(50_000) for number in range(40)}
    with open_build(tmp_path / 'a.lmdb', {'n': 1}, Choices()) as build:
        for key, value in images.items():
            build.put_group(key, Made({key: value}), None)
        build.publish((8, 9))
    values, listing = content(tmp_path / 'a.lmdb')
    assert values == {key.encode(): value for key, value in images.items()}
    assert listing.splitlines() == [f'{key}.png (8,9,3) 1' for key in sorted(images)]


def test_another_run_at_the_same_place_is_refused(tmp_path, prepare):
    tree = make_tree(tmp_path / 'tree', SCENES[:1])
    with exclusive_lock(tmp_path / 'a.lmdb.partial'):
        refused(prepare('medium', tree, '--size', 64, '-o', 'a.lmdb'), 'a.lmdb.partial: another run is writing there')
    assert prepare('medium', tree, '--size', 64, '-o', 'a.lmdb').returncode == 0


@pytest.mark.parametrize('workers', [1, 3])
def test_few_items_are_in_memory_and_results_in_order(workers):
    alive, most = set(), 0

    def produce(number: int) -> int:
        return number * number

    def items():
        nonlocal most
        for number in range(50):
            alive.add(number)
            most = max(most, len(alive))
            yield number

    for number, result in enumerate(ordered_map(produce, items(), workers)):
        assert result == number * number
        alive.remove(number)
    # One more: the item taken while its predecessor's result is being handed over.
    assert number == 49 and workers + 1 <= most <= workers + 2


def test_every_flipped_bit_and_every_length_is_noticed():
    whole = png.encode_noise(noisy_image(8, 9, 0))
    png.check_undamaged(whole)
    assert np.array_equal(decode_image(whole, 'x')[..., ::-1], noisy_image(8, 9, 0))
    for position in range(len(whole)):
        with pytest.raises(ValueError, match='PNG'):
            png.check_undamaged(whole[:position])
        damaged = bytearray(whole)
        damaged[position] ^= 4
        with pytest.raises(ValueError, match='PNG'):
            png.check_undamaged(bytes(damaged))


def test_settings_are_plain_json(tmp_path):
    with open_build(tmp_path / 'a.lmdb', {'shape': (1, 2)}, Choices()) as build:
        build.put_group('g', Made({'k': b'1'}), (1, 2))
    with open_build(tmp_path / 'a.lmdb', {'shape': [1, 2]}, Choices()) as build:
        assert build.groups == {'g': Group(1, 1, [1, 2], {})}


def test_a_zip_that_unpacks_to_far_more_than_its_image_is_left_out(tmp_path, prepare):
    tree = make_tree(tmp_path / 'tree', SCENES[:1])
    bomb = zip_tree(tree, tmp_path / 'bomb.zip')
    whole = (tree / 'Data' / SCENES[0] / '0001_NOISY_SRGB_010.PNG').read_bytes()
    with zipfile.ZipFile(bomb, 'a', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f'{SCENES[1]}/0002_NOISY_SRGB_010.PNG', whole + bytes(40 * 2**20))
    assert bomb.stat().st_size < 300_000
    result = prepare('medium', bomb, '--size', 64, '-o', 'a.lmdb', '--skip-damaged')
    assert result.returncode == 0 and 'it takes 42.0MB, more than 100×140 pixels can' in result.stderr
    # The zip says that the member is small: what is beyond that is not unpacked, whatever it is.
    lying = tmp_path / 'lying.zip'
    with zipfile.ZipFile(lying, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f'{SCENES[1]}/0002_NOISY_SRGB_010.PNG', whole + bytes(40 * 2**20))
    content = bytearray(lying.read_bytes())
    place = content.rindex(b'PK\1\2') + 24
    content[place : place + 4] = len(whole).to_bytes(4, 'little')
    lying.write_bytes(content)
    tracemalloc.start()
    refused(prepare('medium', lying, '--size', 64, '-o', 'c.lmdb'), '1 of 1 cannot be used', 'Bad CRC-32')
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()
    huge = bytearray(whole)
    huge[16:24] = (100_000).to_bytes(4, 'big') * 2
    (tree / 'Data' / SCENES[0] / '0001_NOISY_SRGB_010.PNG').write_bytes(huge)
    refused(prepare('medium', tree, '--size', 64, '-o', 'b.lmdb'), '1 of 2 cannot be used', '100000×100000 pixels')
