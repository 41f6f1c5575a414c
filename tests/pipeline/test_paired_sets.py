"""Sets of pairs through BasicSR's test: each is reported by itself, with all metrics."""

import re
from pathlib import Path

import cv2
import torch

from amsnet_basicsr.archs import ARCHS
from amsnet_basicsr.options.reader import read_options
from tests.conftest import REPOSITORY, noisy_image
from tests.pipeline.options import TINY_DNCNN, write


def put(path: Path, seed: int):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = noisy_image(40, 48, seed)
    cv2.imwrite(str(path), image)
    return image


def test_basicsr_reports_each_set_with_all_metrics(run, tmp_path):
    noisy = [put(tmp_path / 'datasets' / 'PolyU' / f'{i}_Real.JPG', i) for i in range(2)]
    for i, image in enumerate(noisy):
        cv2.imwrite(str(tmp_path / 'datasets' / 'PolyU' / f'{i}_mean.JPG'), cv2.GaussianBlur(image, (0, 0), 2))
        put(tmp_path / 'pairs' / 'noisy' / f'{i}.png', i)
        put(tmp_path / 'pairs' / 'clean' / f'{i}.png', i + 9)
    opt = read_options(str(REPOSITORY / 'options' / 'test_polyu.yml'))
    opt['datasets']['test']['dataroot'] = str(tmp_path / 'datasets' / 'PolyU')
    opt['datasets']['test_2'] = {
        'name': 'mine', 'type': 'PairedPhotosDataset',
        'dataroot_lq': str(tmp_path / 'pairs' / 'noisy'), 'dataroot_gt': str(tmp_path / 'pairs' / 'clean'),
    }  # fmt: skip
    opt['val']['metrics']['ssim_uniform'] = {'type': 'calculate_ssim_uniform', 'crop_border': 0}
    opt['network_g'] = TINY_DNCNN
    torch.manual_seed(0)
    net = ARCHS['DnCNN'](**{key: value for key, value in TINY_DNCNN.items() if key != 'type'})
    torch.save({'params_ema': net.state_dict()}, tmp_path / 'net.pth')
    opt['path']['pretrain_network_g'] = str(tmp_path / 'net.pth')
    del opt['plugin']
    result = run('-m', 'amsnet_basicsr.test', '-opt', write(tmp_path / 'test.yml', opt))
    log = result.stdout + result.stderr
    for name, images in (('PolyU', ['0_Real', '1_Real']), ('mine', ['0', '1'])):
        report = log.split(f'Validation {name}\n', 1)[1]
        figures = dict(re.findall(r'# (\w+): (-?\d+\.\d+)', report)[:4])
        assert list(figures) == ['psnr', 'ssim', 'ssim_y', 'ssim_uniform']
        assert len(set(figures.values())) == 4  # all different measures
        folder = tmp_path / 'results' / 'test_polyu' / 'visualization' / name
        assert sorted(path.stem for path in folder.glob('*.png')) == [f'{stem}_test_polyu' for stem in images]
