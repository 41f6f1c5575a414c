"""Any network that keeps the image's size serves, by changing `network_g` alone."""

import re

from tests.pipeline.options import train_options, write

NETWORKS = {
    'swinir': {
        'type': 'SwinIR', 'upscale': 1, 'in_chans': 3, 'img_size': 32, 'window_size': 8, 'img_range': 1.0,
        'depths': [2], 'embed_dim': 12, 'num_heads': [2], 'mlp_ratio': 2, 'upsampler': '', 'resi_connection': '1conv',
    },
    'ridnet': {'type': 'RIDNet', 'in_channels': 3, 'mid_channels': 16, 'out_channels': 3, 'num_block': 1},
    'edsr': {'type': 'EDSR', 'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 8, 'num_block': 1, 'upscale': 1},
    'restormer': {
        'type': 'Restormer', 'dim': 8, 'num_blocks': [1, 1, 1, 1], 'num_refinement_blocks': 1, 'heads': [1, 2, 2, 4],
    },
    'nafnet': {
        'type': 'NAFNet', 'width': 8, 'middle_blk_num': 1, 'enc_blk_nums': [1, 1], 'dec_blk_nums': [1, 1],
    },
    'nafnet_baseline': {
        'type': 'NAFNetBaseline', 'width': 8, 'middle_blk_num': 1, 'enc_blk_nums': [1, 1], 'dec_blk_nums': [1, 1],
    },
    'unet': {'type': 'UNet', 'in_nc': 3, 'out_nc': 3, 'n_feature': 8},
    'dncnn': {'type': 'DnCNN', 'in_nc': 3, 'out_nc': 3, 'nc': 8, 'nb': 4, 'act_mode': 'R'},
}  # fmt: skip

#: One process for all, as importing takes longer than training. Each run still is BasicSR's whole pipeline.
DRIVER = """
import os, sys
from amsnet_basicsr.train import train
for options in sys.argv[1:]:
    sys.argv = ['train.py', '-opt', options]
    train(os.getcwd())
    print('FINISHED', options, flush=True)
"""


def test_archs_are_swapped_by_network_g_alone(run, make_folder, tmp_path):
    noisy = make_folder('noisy', 2)
    files = []
    for name, network in NETWORKS.items():
        options = train_options(noisy, name=name, network_g=network)
        options['train'].update(total_iter=2, scheduler={'type': 'MultiStepLR', 'milestones': [1], 'gamma': 0.5})
        options['val']['val_freq'] = 2
        files.append(write(tmp_path / f'{name}.yml', options))
    result = run('-c', DRIVER, *files)
    for file in files:
        assert f'FINISHED {file}' in result.stdout
        models = tmp_path / 'experiments' / file.stem / 'models'
        assert (models / 'net_g_latest.pth').is_file()
    assert len(re.findall(r'# mask_l1: \d+\.\d+', result.stdout + result.stderr)) == 2 * len(files)
