"""Grey images of 8 and 16 bit and a network for them: training, validation, test, denoising and export."""

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch

from amsnet_basicsr import Denoiser
from tests.conftest import noisy_image
from tests.pipeline.options import PSNR, test_options, train_options, write

GREY_DNCNN = {'type': 'DnCNN', 'in_nc': 1, 'out_nc': 1, 'nc': 8, 'nb': 4, 'act_mode': 'BR'}


def grey_image(seed: int, bits: int = 8) -> np.ndarray:
    image = cv2.cvtColor(noisy_image(64, 72, seed), cv2.COLOR_BGR2GRAY)
    return image if bits == 8 else (image.astype(np.uint16) << (bits - 8)) + 3


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Noisy and clean grey images: PNG and TIFF of 8 bit, of 16, of 12 in files of 16, and a colour JPEG."""
    for name, first in (('noisy', 0), ('clean', 50)):
        folder = tmp_path / name
        folder.mkdir()
        cv2.imwrite(str(folder / 'eight.png'), grey_image(first))
        cv2.imwrite(str(folder / 'sixteen.png'), grey_image(first + 1, 16))
        tifffile.imwrite(folder / 'twelve.tif', grey_image(first + 2, 12))
        tifffile.imwrite(folder / 'dark.tif', grey_image(first + 3))
        cv2.imwrite(str(folder / 'colours.jpg'), noisy_image(64, 72, first + 4))
    return tmp_path / 'noisy', tmp_path / 'clean'


def test_train_test_denoise_and_export_a_grey_network(run, folders, tmp_path):
    noisy, clean = folders
    options = train_options(noisy, name='grey', network_g=GREY_DNCNN, report={'refine': [None]})
    pairs = {'name': 'pairs', 'type': 'PairedPhotosDataset', 'dataroot_lq': str(noisy), 'dataroot_gt': str(clean)}
    options['datasets']['val_2'] = pairs
    metrics = {'psnr': PSNR, 'ssim': {'type': 'calculate_ssim', 'crop_border': 0}}
    options['val'] |= {'save_img': True, 'strip': 5, 'metrics': {**options['val']['metrics'], **metrics}}
    options['val']['save_best'] = 'psnr'
    file = write(tmp_path / 'train.yml', options)
    checked = run('-m', 'amsnet_basicsr.check', '-opt', file).stdout
    assert 'DnCNN of ' in checked and 'on images of 1 channel' in checked
    result = run('-m', 'amsnet_basicsr.train', '-opt', file)
    assert re.search(r'Validation pairs: the noisy input has psnr \d+\.\d+, ssim 0\.\d+', result.stdout + result.stderr)
    assert '| AMSNet, no refinement |' in result.stdout

    root = tmp_path / 'experiments' / 'grey'
    saved = root / 'visualization' / 'pairs'
    for name in ('eight', 'sixteen', 'twelve', 'dark', 'colours'):
        image = cv2.imread(str(saved / name / f'{name}_6.png'), cv2.IMREAD_UNCHANGED)
        assert image.shape == (64, 72) and image.dtype == np.uint8
    # Noisy, denoised and clean, all in grey, in the range of the deepest.
    for name, expected in (('sixteen', grey_image(1)), ('twelve', grey_image(2, 12) / 257)):
        strip = cv2.imread(str(root / 'visualization' / 'strips' / 'pairs' / f'{name}_6.png'))
        assert strip.shape == (64, 3 * 72 + 8, 3) and np.array_equal(strip[..., 0], strip[..., 2])
        assert np.abs(strip[:, :72, 0].astype(int) - expected).max() <= 1

    weights = root / 'models' / 'net_g_latest.pth'
    options = test_options(noisy, weights, name='grey-test', network_g=GREY_DNCNN)
    options['datasets']['test_2'] = pairs
    options['val'] = {'save_img': True, 'suffix': 'out', 'metrics': metrics}
    result = run('-m', 'amsnet_basicsr.test', '-opt', write(tmp_path / 'test.yml', options))
    assert '# psnr' in result.stdout + result.stderr
    assert len(list((tmp_path / 'results' / 'grey-test' / 'visualization').rglob('*_out.png'))) == 10

    out = tmp_path / 'out'
    result = run('-m', 'amsnet_basicsr.cli', noisy, '-o', out, '--model', weights)
    assert 'a network for grey images: each colour is denoised by itself' in result.stdout + result.stderr
    for path in noisy.iterdir():
        flag = cv2.IMREAD_UNCHANGED
        before, after = cv2.imread(str(path), flag), cv2.imread(str(next(out.glob(f'{path.stem}*'))), flag)
        assert before.shape == after.shape and before.dtype == after.dtype and not np.array_equal(before, after)
    for name in ('grey.onnx', 'grey.safetensors'):
        result = run('-m', 'amsnet_basicsr.cli', 'export', '--model', weights, '--net-only', '-o', tmp_path / name)
        assert f'{name}: DnCNN, ' in result.stdout
    assert Denoiser.from_pretrained(tmp_path / 'grey.safetensors', scheme='amsnet').channels == 1


def test_colours_are_denoised_each_by_itself(tmp_path):
    from amsnet_basicsr.archs import DnCNN
    from amsnet_basicsr.options.blocks import DenoiserScheme
    from amsnet_basicsr.scheme import R3

    torch.manual_seed(0)
    image = np.random.default_rng(0).random((150, 170, 3), np.float32)
    for scheme in (DenoiserScheme('plain'), DenoiserScheme(refine=R3(samples=2))):
        denoiser = Denoiser(DnCNN(**{key: value for key, value in GREY_DNCNN.items() if key != 'type'}), scheme)
        whole = denoiser(image)
        for number in range(3):
            np.testing.assert_allclose(whole[..., number], denoiser(image[..., number]), atol=1e-5)
        grey = np.repeat(image[..., :1], 3, axis=2)
        np.testing.assert_array_equal(denoiser(grey)[..., 1], denoiser(image[..., 0]))


def test_training_from_a_grey_lmdb_sees_what_the_folder_holds(folders, make_lmdb, tmp_path):
    from amsnet_basicsr import plugin
    from amsnet_basicsr.data import NoisyImageDataset

    assert plugin
    only_png = tmp_path / 'png'
    only_png.mkdir()
    for name in ('eight.png', 'sixteen.png'):
        shutil.copy(folders[0] / name, only_png)
    roots = only_png, make_lmdb(only_png)
    for channels in (1, 3):
        opt = {'name': 'x', 'phase': 'val', 'channels': channels}
        folder, lmdb = (NoisyImageDataset({**opt, 'dataroot_lq': str(root)}) for root in roots)
        for index in range(2):
            one, other = folder[index]['lq'], lmdb[index]['lq']
            assert one.shape == (channels, 64, 72) and torch.equal(one, other)


def test_bits_are_those_of_the_folder_or_of_the_options(folders):
    from amsnet_basicsr import plugin
    from amsnet_basicsr.data import NoisyImageDataset

    assert plugin

    def check(bits: int | None, white: int) -> None:
        opt = {'name': 'x', 'phase': 'val', 'channels': 1, 'dataroot_lq': str(folders[0]), 'bits': bits}
        items = [item for item in NoisyImageDataset(opt) if item['lq_path'].endswith('twelve.tif')]
        expected = torch.from_numpy(grey_image(2, 12).astype(np.float32)) / white
        torch.testing.assert_close(items[0]['lq'][0], expected, atol=2e-5, rtol=0)

    check(None, 65535)  # what sixteen.png needs
    check(14, 16383)
    (folders[0] / 'sixteen.png').unlink()
    check(None, 4095)


def test_four_channels_take_alpha_along(run, tmp_path):
    folder = tmp_path / 'four'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(2):
        image = np.dstack([noisy_image(64, 72, number), rng.integers(0, 256, (64, 72), np.uint8)])
        cv2.imwrite(str(folder / f'{number}.png'), image)
    network = {'type': 'NAFNet', 'img_channel': 4, 'width': 4, 'enc_blk_nums': [1], 'dec_blk_nums': [1]}
    options = train_options(folder, name='four', network_g=network)
    options['val']['save_img'] = True
    run('-m', 'amsnet_basicsr.train', '-opt', write(tmp_path / 'four.yml', options))
    saved = tmp_path / 'experiments' / 'four' / 'visualization' / 'held-out' / '0' / '0_6.png'
    assert cv2.imread(str(saved), cv2.IMREAD_UNCHANGED).shape == (64, 72, 4)
    cv2.imwrite(str(folder / 'rgb.png'), noisy_image(64, 72, 9))
    result = run('-m', 'amsnet_basicsr.train', '-opt', tmp_path / 'four.yml', fails=True)
    assert 'rgb.png: it has 3 channels where the network takes 4' in result.stdout + result.stderr


def test_other_channels_end_in_one_line_where_nothing_tells_the_data_set(run, make_folder, tmp_path):
    """A data set of one's own, or an unmodified BasicSR, isn't told the number of channels."""
    from amsnet_basicsr import plugin
    from amsnet_basicsr.models import AMSNetModel
    from amsnet_basicsr.utils.errors import UserError

    assert plugin  # registers
    options = train_options(make_folder('noisy'), network_g=GREY_DNCNN)
    options |= {'is_train': False, 'dist': False, 'num_gpu': 0}
    model = AMSNetModel(options)
    with pytest.raises(
        UserError, match=r'a\.png: images of 3 channels, and the network takes 1; give the data sets chan'
    ):
        model.feed_data({'lq': torch.zeros(1, 3, 20, 20), 'lq_path': ['a.png']})
