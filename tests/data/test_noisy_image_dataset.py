"""NoisyImageDataset on real files of every kind it reads."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from basicsr.utils import get_root_logger
from PIL import Image
from torch.utils.data import DataLoader

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.data import NoisyImageDataset, PairedPhotosDataset
from amsnet_basicsr.data.augment import random_crop, random_flip_rotate
from amsnet_basicsr.utils.errors import UserError
from tests.conftest import noisy_image


def dataset(phase: str = 'train', **options: object) -> NoisyImageDataset:
    crop = {'crop_size': 40} if phase == 'train' else {}
    return NoisyImageDataset({'name': 'mine', 'type': 'NoisyImageDataset', 'phase': phase, **crop, **options})


def names(images: NoisyImageDataset) -> list[str]:
    return [entry.path.rpartition('/')[2] for entry in images.entries]


def test_folder_is_read_recursively_and_sorted(tmp_path):
    image = noisy_image(50, 60, 0)
    for name in ('b/two.JPG', 'a/one.png', 'c.bmp', 'd.tif', 'e.webp', 'b/.hidden.png', '.trash/f.png'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), image)
    (tmp_path / 'notes.txt').write_text('no image')
    images = dataset('val', dataroot_lq=str(tmp_path))
    assert names(images) == ['one.png', 'two.JPG', 'c.bmp', 'd.tif', 'e.webp']
    for item in images:
        assert item['lq'].shape == (3, 50, 60) and item['lq'].dtype == torch.float32
        assert item['lq'].min() >= 0 and item['lq'].max() <= 1
    expected = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1) / 255
    torch.testing.assert_close(images[0]['lq'], expected)  # RGB


def test_what_denoising_reads_training_reads_and_closed_folders_are_named(
    make_folder, closed_folders, monkeypatch, caplog
):
    root = Path(make_folder('noisy', 1))
    Image.fromarray(noisy_image(64, 64, 1)).save(root / 'phone.avif')
    (root / 'closed').mkdir()
    logger = get_root_logger()
    monkeypatch.setattr(logger, 'handlers', [*logger.handlers, caplog.handler])
    assert names(dataset('val', dataroot_lq=str(root))) == ['im0.png', 'phone.avif']
    assert f'{root}/closed: cannot be searched, left out: Permission denied' in caplog.text


def test_grey_alpha_and_16_bit(tmp_path):
    deep = (np.arange(60 * 60 * 3, dtype=np.uint16) * 6).reshape(60, 60, 3)
    cv2.imwrite(str(tmp_path / 'deep.png'), deep)
    cv2.imwrite(str(tmp_path / 'grey.png'), noisy_image(60, 60, 0)[..., 0])
    cv2.imwrite(str(tmp_path / 'with_alpha.png'), np.dstack([noisy_image(60, 60, 0), np.full((60, 60), 9, np.uint8)]))
    images = dataset('val', dataroot_lq=str(tmp_path))
    expected = torch.from_numpy((deep[..., ::-1] / 65535).astype(np.float32)).permute(2, 0, 1)
    torch.testing.assert_close(images[0]['lq'], expected)
    assert torch.equal(images[1]['lq'][0], images[1]['lq'][2])
    assert images[2]['lq'].shape == (3, 60, 60)


def test_a_dark_patch_of_an_image_of_16_bit_stays_dark(tmp_path, make_lmdb):
    """Its noise would be amplified with it. Folders are judged as a whole, pairs too; LMDBs count as 16 bit."""
    image = np.random.default_rng(0).integers(0, 65536, (60, 120, 3)).astype(np.uint16)
    image[:, :60] >>= 6  # 10 bit would do for it
    patches = tmp_path / 'patches'
    patches.mkdir()
    for name, patch in (('dark', image[:, :60]), ('bright', image[:, 60:])):
        cv2.imwrite(str(patches / f'{name}.png'), patch)
    lmdb = make_lmdb(patches)
    expected = [torch.from_numpy(patch[..., ::-1] / np.float32(65535)) for patch in (image[:, 60:], image[:, :60])]
    pairs = PairedPhotosDataset({'name': 'x', 'phase': 'val', 'dataroot_lq': str(patches), 'dataroot_gt': str(patches)})
    for images in (dataset('val', dataroot_lq=str(patches)), dataset('val', dataroot_lq=str(lmdb), cache_mb=1), pairs):
        for item, patch in zip(images, expected, strict=True):
            torch.testing.assert_close(item['lq'].permute(1, 2, 0), patch)
    (patches / 'bright.png').unlink()
    lone = dataset('val', dataroot_lq=str(patches))[0]['lq'].permute(1, 2, 0)
    torch.testing.assert_close(lone, expected[1] * 65535 / 1023)
    for options in ({'dataroot_lq': str(lmdb)}, {'dataroot_lq': str(patches), 'bits': 16}):
        torch.testing.assert_close(dataset('val', **options)[-1]['lq'].permute(1, 2, 0), expected[1])


def test_training_crops_vary_and_follow_torchs_seed(make_folder):
    images = dataset(dataroot_lq=str(make_folder('noisy')))
    torch.manual_seed(0)
    first = [images[1]['lq'] for _ in range(3)]
    torch.manual_seed(0)
    again = [images[1]['lq'] for _ in range(3)]
    assert all(map(torch.equal, first, again))
    assert first[0].shape == (3, 40, 40) and not torch.equal(first[0], first[1])


def test_augmentation_gives_all_eight_poses_and_leaves_the_source_alone():
    image = np.arange(3 * 3 * 1).reshape(3, 3, 1)
    before = image.copy()
    generator = torch.Generator().manual_seed(0)
    poses = {random_flip_rotate(image, True, True, generator).tobytes() for _ in range(200)}
    assert len(poses) == 8
    assert {random_crop(image, 2, generator).tobytes() for _ in range(100)} == {
        image[y : y + 2, x : x + 2].tobytes() for y in (0, 1) for x in (0, 1)
    }
    assert np.array_equal(image, before)
    assert random_flip_rotate(image, False, False, generator) is image


def test_meta_info_file_selects(make_folder, tmp_path):
    folder = make_folder('noisy')
    (tmp_path / 'some.txt').write_text('im2.png (64,72,3) 1\nim0.png\n\n')
    assert names(dataset(dataroot_lq=str(folder), meta_info_file=str(tmp_path / 'some.txt'))) == ['im2.png', 'im0.png']
    with pytest.raises(ValueError, match='selects from one root'):
        dataset(dataroots=[str(folder), str(folder)], meta_info_file=str(tmp_path / 'some.txt'))
    with pytest.raises(FileNotFoundError, match=r'none\.txt'):
        dataset(dataroot_lq=str(folder), meta_info_file=str(tmp_path / 'none.txt'))


def test_meta_info_lines(tmp_path):
    from amsnet_basicsr.data.image_list import read_meta_info

    (tmp_path / 'list.txt').write_text(
        'a.png (64,72,3) 1\nIMG (1).jpg\nmy image (12,34).png (64,72,3) 1\n\nb.png (5,6)\n'
    )
    assert read_meta_info(str(tmp_path / 'list.txt')) == [
        ('a.png', (64, 72)), ('IMG (1).jpg', None), ('my image (12,34).png', (64, 72)), ('b.png', (5, 6))
    ]  # fmt: skip


def test_several_roots_lmdb_and_folder(make_folder, make_lmdb):
    folder, other = make_folder('noisy'), make_folder('more', 2, first_seed=9)
    images = dataset('val', dataroots=[str(make_lmdb(folder)), str(other)])
    plain = dataset('val', dataroot_lq=str(folder))
    assert len(images) == 6
    assert torch.equal(images[3]['lq'], plain[3]['lq'])
    with pytest.raises(ValueError, match='either dataroot_lq'):
        dataset(dataroots=['a'], dataroot_lq='b')
    with pytest.raises(ValueError, match='either dataroot_lq'):
        dataset()


@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_one_lmdb_serves_parent_and_workers_together(make_folder, make_lmdb, method):
    path = str(make_lmdb(make_folder('noisy', 6)))
    train, val = dataset(dataroot_lq=path), dataset('val', dataroot_lq=path)
    assert val[0]['lq'].shape == (3, 64, 72)  # the parent has it open when the workers start
    for _ in range(2 if method == 'fork' else 1):
        batches = list(DataLoader(train, 2, num_workers=2, multiprocessing_context=method))
        assert len(batches) == 3 and batches[0]['lq'].shape == (2, 3, 40, 40)
        assert val[1]['lq'].shape == (3, 64, 72)


def test_basicsr_datasets_share_the_lmdb_too(make_folder, make_lmdb):
    from basicsr.data.paired_image_dataset import PairedImageDataset

    folder = make_folder('noisy')
    path = str(make_lmdb(folder))
    ours = dataset('val', dataroot_lq=path)
    assert ours[0]['lq'].shape == (3, 64, 72)
    options = {'phase': 'val', 'scale': 1, 'io_backend': {'type': 'lmdb'}, 'dataroot_gt': path, 'dataroot_lq': path}
    torch.testing.assert_close(PairedImageDataset(options)[1]['gt'], ours[1]['lq'])


def test_bad_lmdb_entries_are_counted_and_named_at_the_start(make_folder, make_lmdb, caplog):
    folder = make_folder('noisy')
    cv2.imwrite(str(folder / 'narrow.png'), noisy_image(30, 90, 0))
    path = make_lmdb(folder)
    with open(path / 'meta_info.txt', 'a', encoding='utf-8') as file:
        file.write('ghost.png (64,72,3) 1\n')
    with pytest.raises(ValueError, match='2 of 6 images cannot be used') as caught:
        dataset(dataroot_lq=str(path))
    assert 'narrow.png is too small: 30×90' in str(caught.value)
    assert 'ghost.png is listed but missing' in str(caught.value)
    assert len(dataset(dataroot_lq=str(path), on_bad_image='skip')) == 4
    with pytest.raises(ValueError, match='1 of 6'):
        dataset('val', dataroot_lq=str(path))  # small images serve whole


def test_cache_of_an_lmdb_is_read_by_many_threads(make_folder, make_lmdb):
    from amsnet_basicsr.data.lmdb_env import _before_fork, _lock

    path = str(make_lmdb(make_folder('noisy', 12)))
    for _ in range(60):  # two threads opening it at once used to fail one time in fourteen
        _before_fork()
        _lock.release()
        assert len(dataset(dataroot_lq=path, cache_mb=1)._cache) == 12


def test_bad_images_are_counted_and_named_at_the_start(make_folder, caplog):
    folder = make_folder('noisy')
    cv2.imwrite(str(folder / 'small.png'), noisy_image(30, 80, 0))
    (folder / 'empty.png').touch()
    (folder / 'text.png').write_text('not an image')
    whole = (folder / 'im0.png').read_bytes()
    (folder / 'torn.png').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError) as caught:  # which the commands print without a traceback
        dataset(dataroot_lq=str(folder))
    message = str(caught.value)
    assert '4 of 8 images cannot be used' in message and 'on_bad_image: skip' in message
    for name in ('small.png', '30×80', 'empty.png', 'text.png', 'torn.png'):
        assert name in message
    images = dataset(dataroot_lq=str(folder), on_bad_image='skip')
    assert names(images) == ['im0.png', 'im1.png', 'im2.png', 'im3.png']
    lazy = dataset(dataroot_lq=str(folder), check_images=False)
    with pytest.raises(ValueError, match=r'empty\.png'):
        lazy[0]


def test_cache_is_bounded_and_changes_nothing(make_folder):
    folder = str(make_folder('noisy'))
    one_image = 64 * 72 * 3 / 1e6
    cached, plain = dataset('val', dataroot_lq=folder, cache_mb=2.5 * one_image), dataset('val', dataroot_lq=folder)
    assert len(cached._cache) == 2
    for index in range(4):
        assert torch.equal(cached[index]['lq'], plain[index]['lq'])
    train = dataset(dataroot_lq=folder, cache_mb=1)
    before = {index: image.copy() for index, image in train._cache.items()}
    for index in range(40):
        train[index % 4]
    assert all(np.array_equal(train._cache[index], before[index]) for index in before)


def test_misspelt_and_missing_options(make_folder, tmp_path):
    folder = str(make_folder('noisy'))
    with pytest.raises(ValueError, match="no option 'crop_sise'; did you mean 'crop_size'"):
        dataset(dataroot_lq=folder, crop_sise=40)
    with pytest.raises(ValueError, match='training needs crop_size'):
        dataset(dataroot_lq=folder, crop_size=None)
    with pytest.raises(ValueError, match='on_bad_image'):
        dataset(dataroot_lq=folder, on_bad_image='ignore')
    with pytest.raises(FileNotFoundError, match='no folder'):
        dataset(dataroot_lq=str(tmp_path / 'nowhere'))
    (tmp_path / 'bare').mkdir()
    with pytest.raises(ValueError, match='names no image'):
        dataset(dataroot_lq=str(tmp_path / 'bare'))
    with pytest.raises(ValueError, match=r"doesn't end in \.lmdb"):
        dataset(dataroot_lq=folder, io_backend={'type': 'lmdb'})
