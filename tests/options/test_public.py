"""Options in the style of published ones, written for this test, pass the check: no false alarm, no misleading hint."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.options.checks.run import check_all
from amsnet_basicsr.options.complete import complete_options
from amsnet_basicsr.options.reader import parse_yaml

# isort: split
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import DATASET_REGISTRY, MODEL_REGISTRY

FOLDER = Path(__file__).parent / 'public'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Images of every scale, and the parts that a plugin would register."""
    root = tmp_path_factory.mktemp('public')
    for scale in (1, 2, 4):
        for kind, side in (('gt', 64), ('lq', 64 // scale)):
            (root / f'x{scale}' / kind).mkdir(parents=True)
            for number in range(2):
                image = np.full((side, side, 3), 90 + number, np.uint8)
                cv2.imwrite(str(root / f'x{scale}' / kind / f'{number}.png'), image)
        (root / f'x{scale}' / 'list.txt').write_text('0.png (64,64,3)\n1.png (64,64,3)\n')
    for name in ('OwnTransformerModel', 'OwnRestorationModel'):
        if name not in MODEL_REGISTRY:
            MODEL_REGISTRY._do_register(name, type(name, (SRModel,), {}))
    if 'OwnPairsDataset' not in DATASET_REGISTRY:
        DATASET_REGISTRY._do_register('OwnPairsDataset', type('OwnPairsDataset', (PairedImageDataset,), {}))
    return root


@pytest.mark.parametrize('path', sorted(FOLDER.glob('*.yml')), ids=lambda path: path.stem)
def test_no_false_alarm(path, data, tmp_path):
    raw = parse_yaml(path.read_text().replace('DATA/', f'{data}/'))
    opt = complete_options(raw, str(tmp_path), 'train' in raw, gpus=torch.cuda.device_count())
    problems, notes, *_ = check_all(raw, opt)
    assert problems == []
    assert [note for note in notes if 'did you mean' in note] == []
