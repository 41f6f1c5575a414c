"""The code blocks of README.md and docs/ work: what is quick is run, of the rest files and flags are checked.

Blocks of a page run in their order, in a folder with images, weights and data of the names that the pages use; Python
blocks of a page share their names. `<!-- not run: why -->` in the line before a block keeps it from being run.
"""

import contextlib
import io
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from tests.conftest import REPOSITORY, noisy_image

PAGES = [REPOSITORY / 'README.md', REPOSITORY / 'CONTRIBUTING.md', *sorted(REPOSITORY.glob('docs/**/*.md'))]
_BLOCK = re.compile(r'^(?:<!-- not run: (.+?) -->\n)?```(\w*)\n(.*?)^```$', re.M | re.S)
_PROGRAM = re.compile(r'(?:amsnet-denoise|python (?:-m amsnet_basicsr|scripts/|basicsr/)[\w./]*)(?= |$)')


@dataclass(frozen=True)
class Block:
    """A code block, and why it isn't run, if it isn't."""

    why_not_run: str
    language: str
    code: str

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, continued lines joined, without comments."""
        lines = (re.sub(r'(^|\s+)#.*', '', line).strip() for line in self.code.replace('\\\n', ' ').splitlines())
        return [line for line in lines if line]


def blocks(page: Path, *languages: str) -> list[Block]:
    found = [Block(*match) for match in _BLOCK.findall(page.read_text(encoding='utf-8'))]
    return [block for block in found if block.language in languages]


def pages_with(*languages: str, run: bool = False) -> list[Any]:
    return [
        pytest.param(page, id=str(page.relative_to(REPOSITORY)))
        for page in PAGES
        if any(not run or not block.why_not_run for block in blocks(page, *languages))
    ]


def programs(command: str) -> Iterator[list[str]]:
    """Find the calls of our programs in a shell command, each as its words."""
    for part in re.split(r'&&|;|\||\bdo\b|\$\(', command):
        if match := _PROGRAM.search(part):
            yield shlex.split(part[match.start() :].rstrip(')'))


def run_in_process(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a program of ours in this process."""
    with monkeypatch.context() as patch:
        if words[0] == 'amsnet-denoise':
            words = ['python', '-m', 'amsnet_basicsr.cli', *words[1:]]
        is_module = words[1] == '-m'
        patch.setattr(sys, 'argv', words[2 if is_module else 1 :])
        patch.setattr(sys, 'path', [str(Path(words[1]).resolve().parent), *sys.path])
        try:
            if is_module:
                runpy.run_module(words[2], run_name='__main__', alter_sys=True)
            else:
                runpy.run_path(words[1], run_name='__main__')
        except SystemExit as end:
            assert not end.code, f'{words}: {end.code}'


@cache
def help_of(*program: str) -> str:
    """What a program of ours prints for --help."""
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(text):
        patch.chdir(REPOSITORY)
        run_in_process([*program, '--help'], patch)
    return text.getvalue()


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files that the pages name, made small."""
    from safetensors.torch import save

    from amsnet_basicsr.archs import NAFNet, Restormer

    files = {}
    for number, name in enumerate(('a.png', 'b.png', 'c.jpg', 'photo.jpg', 'noisy.png')):
        small, large = (
            cv2.imencode(Path(name).suffix, noisy_image(size, size + 8, number))[1].tobytes() for size in (64, 256)
        )
        files |= {f'photos/{name}': small, name: small, f'PHOTOS/{name}': large}
    names = [f'{image:02}_{block:02}.png' for image in range(1, 4) for block in (1, 2)]
    for number, name in enumerate(names):
        image = noisy_image(256, 256, number)
        files[f'datasets/sidd/noisy/{name}'] = cv2.imencode('.png', image)[1].tobytes()
        files[f'datasets/sidd/clean/{name}'] = cv2.imencode('.png', cv2.GaussianBlur(image, (0, 0), 3))[1].tobytes()
    for kind in ('noisy', 'clean'):
        files[f'datasets/my_pairs/{kind}/1.png'] = files[f'datasets/sidd/{kind}/{names[0]}']
    small = np.full((80, 84, 3), 0.5, np.float32)
    np.save(numpy := io.BytesIO(), small)
    files['numpy_images/1.npy'] = numpy.getvalue()
    for name in ('train', 'progress', 'report', 'pairs', 'tune'):
        files[f'datasets/sidd/{name}.txt'] = '\n'.join(names).encode()
    net = NAFNet(width=4, enc_blk_nums=[1], middle_blk_num=1, dec_blk_nums=[1])
    plain = {'arch': 'NAFNet', 'scheme': '{"type": "plain"}'}
    files['my_model/model.safetensors'] = files['my_model.safetensors'] = save(net.state_dict(), plain)
    folder = tmp_path_factory.mktemp('weights')
    torch.save({'params': net.state_dict()}, folder / 'net.pth')
    files['experiments/train_amsnet_small/models/net_g_best.pth'] = (folder / 'net.pth').read_bytes()
    restormer = Restormer(dim=8, num_blocks=[1] * 4, num_refinement_blocks=1).state_dict()
    weights = {f'net.dn.branches.0.{name}': value for name, value in restormer.items()}
    torch.save({'state_dict': weights}, folder / 'last.ckpt')
    files['last.ckpt'] = (folder / 'last.ckpt').read_bytes()
    return files


@pytest.fixture
def workplace(data: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in data.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    for name in ('amsnet_basicsr', 'basicsr', 'options', 'scripts'):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.setenv('PATH', str(Path(sys.executable).parent), prepend=':')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings('ignore:Mean of empty slice')
@pytest.mark.parametrize('page', pages_with('python', 'bash', run=True))
def test_the_blocks_of_a_page_run(page: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = cv2.imread('noisy.png')[..., ::-1].copy()
    names: dict[str, Any] = {'noisy': noisy, 'image': noisy}
    for block in blocks(page, 'python', 'bash', 'yaml'):
        if block.why_not_run:
            continue
        if file := re.match(r'# ([\w/]+\.(?:py|yml))\n', block.code):  # a file to write
            (workplace / file[1]).parent.mkdir(exist_ok=True)
            (workplace / file[1]).write_text(block.code, encoding='utf-8')
        elif block.language == 'python':
            exec(compile(block.code, str(page), 'exec'), names)
        for command in block.commands if block.language == 'bash' else ():
            if command.startswith('pip install'):
                continue
            if _PROGRAM.match(command) and not re.search(r'[|<>;&$]', command):
                run_in_process(shlex.split(command), monkeypatch)
            else:
                subprocess.run(['bash', '-ec', command], check=True)


@pytest.mark.parametrize('page', pages_with('bash'))
def test_commands_name_programs_and_flags_that_exist(page: Path) -> None:
    for words in (words for block in blocks(page, 'bash') for line in block.commands for words in programs(line)):
        start = 1 if words[0] == 'amsnet-denoise' else 3 if words[1] == '-m' else 2
        program, arguments = words[:start], words[start:]
        if arguments and re.fullmatch('[a-z]+', arguments[0]):  # perhaps a subcommand, and no harm if it isn't
            program = [*program, arguments.pop(0)]
        arguments = arguments[: arguments.index('--')] if '--' in arguments else arguments
        flags = set(re.findall(r'(?<![\w-])--?[a-zA-Z][\w-]*', help_of(*program)))
        wrong = {word.split('=')[0] for word in arguments if re.match(r'--?[a-zA-Z]', word)} - flags
        assert not wrong, f'{" ".join(words)}: {" ".join(program)} has no {", ".join(sorted(wrong))}'


@pytest.mark.parametrize('page', pages_with('yaml'))
def test_yaml_blocks_are_yaml(page: Path) -> None:
    for block in blocks(page, 'yaml'):
        assert yaml.safe_load(block.code.replace('!!python/name:amsnet_basicsr.__version__', 'version'))


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_commands_say_that_they_are(page: Path) -> None:
    """A block without a language is output or a tree, never something to type."""
    for block in blocks(page, ''):
        assert not re.search(r'^(?:python|pip|amsnet-denoise|torchrun|cd|for) ', block.code, re.M), block.code
