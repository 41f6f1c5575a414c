"""Run BasicSR's own tests with the plugin imported: none may fail that passes without it.

    python .ci/basicsr_tests.py

The releases of BasicSR come without its tests. The sdist of a fork, which pip fetches, has them. What needs CUDA runs
on the CPU; the images that the sdist lacks are made, and VGG's weights, which would be downloaded, are random.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

SDIST = 'animesisr-basicsr==1.0.3'

CONFTEST = """
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision
import yaml

{plugin}
from basicsr.utils.lmdb_util import make_lmdb_from_imgs

ROOT = Path(__file__).parent
SIZES = {{'baboon': (480, 492), 'comic': (360, 240)}}
for folder, scale in ((ROOT / 'data' / 'gt', 1), (ROOT / 'data' / 'lq', 4)):
    if not folder.exists():
        folder.mkdir(parents=True)
        for name, (height, width) in SIZES.items():
            image = np.random.default_rng(0).integers(0, 256, (height // scale, width // scale, 3), np.uint8)
            cv2.imwrite(str(folder / f'{{name}}.png'), image)
        make_lmdb_from_imgs(str(folder), f'{{folder}}.lmdb', [f'{{name}}.png' for name in SIZES], list(SIZES))
lines = [f'{{name}}.png ({{height}},{{width}},3)' for name, (height, width) in SIZES.items()]
(ROOT / 'data' / 'meta_info_gt.txt').write_text('\\n'.join(lines))

if not torch.cuda.is_available():
    torch.nn.Module.cuda = torch.Tensor.cuda = lambda self: self
    read = yaml.safe_load
    yaml.safe_load = lambda text: {{**read(text), 'num_gpu': 0}}
build = torchvision.models.vgg.vgg19
torchvision.models.vgg.vgg19 = lambda *args, **kwargs: build()
"""


def outcomes(tests: Path, plugin: str) -> dict[str, str]:
    """Run the tests, and return what became of each."""
    (tests / 'conftest.py').write_text(CONFTEST.format(plugin=plugin), encoding='utf-8')
    command = [
        sys.executable,
        '-m',
        'pytest',
        '-c',
        os.devnull,
        '--rootdir',
        '.',
        '-q',
        '-rA',
        '-p',
        'no:cacheprovider',
    ]
    environment = {**os.environ, 'OMP_NUM_THREADS': '2', 'PYTHONPATH': os.getcwd()}
    result = subprocess.run(
        [*command, tests.name], cwd=tests.parent, env=environment, capture_output=True, text=True, encoding='utf-8'
    )
    found = dict(reversed(pair) for pair in re.findall(r'^(PASSED|FAILED|ERROR|SKIPPED) (\S+)', result.stdout, re.M))
    print(f'{plugin}: {result.stdout.splitlines()[-1]}')
    for test, outcome in found.items():
        if outcome in ('FAILED', 'ERROR'):
            print(f'    {outcome} {test}')
    return found


def main() -> int:
    """Run them with the plugin and, where some fail, without it; returns the exit status."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        download = [sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', '--no-build-isolation']
        subprocess.run([*download, '--no-binary', ':all:', '-d', str(root), SDIST], check=True)
        with tarfile.open(next(root.glob('*.tar.gz'))) as archive:
            archive.extractall(root, filter='data')
        # Away from the fork's own package, which must not be imported.
        tests = next(root.glob('*/tests')).rename(root / 'tests')
        here = outcomes(tests, 'import amsnet_basicsr.plugin')
        if here and set(here.values()) == {'PASSED'}:
            return 0
        # With nothing but the module that torchvision dropped.
        stock = outcomes(tests, 'import amsnet_basicsr')
    worse = [test for test, outcome in stock.items() if outcome == 'PASSED' and here.get(test) != 'PASSED']
    print(f'{len(worse)} pass without the plugin and fail with it', *worse, sep='\n')
    return int(bool(worse) or 'PASSED' not in stock.values())


if __name__ == '__main__':
    sys.exit(main())
