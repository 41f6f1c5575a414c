"""Whatever is wrong takes one clear line, and what is right is done all the same."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from amsnet_basicsr.images import read_image
from tests.denoise.run_command import image, tiny_net


def test_bad_images(run, tmp_path):
    good = [
        image(tmp_path / 'good.png'),
        image(tmp_path / 'dot.png', 1, 1),
        image(tmp_path / 'strip.png', 1, 5000),
    ]
    good.append(image(tmp_path / 'tall.tif', 5000, 1))
    (tmp_path / 'empty.png').write_bytes(b'')
    (tmp_path / 'text.png').write_text('<html>Not found</html>\n')
    cut = image(tmp_path / 'cut.jpg', 100, 100)
    cut.write_bytes(cut.read_bytes()[:2000])
    Image.new('CMYK', (20, 20)).save(tmp_path / 'print.jpg')
    (tmp_path / 'none').mkdir()
    (tmp_path / 'none/notes.txt').write_text('no image')
    (tmp_path / 'gone.png').symlink_to('nowhere.png')
    bad = {
        'missing.png': 'no such file or folder',
        'none': 'no images in this folder',
        'empty.png': 'the file is empty',
        'text.png': 'not an image in a format that can be read',
        'cut.jpg': 'damaged or cut off',
        'print.jpg': 'its pixels are CMYK; convert it to RGB',
        'gone.png': 'it is a link to nothing',
    }
    if os.path.exists('/proc/self/mem'):
        (tmp_path / 'locked.png').symlink_to('/proc/self/mem')  # fails to be read, even for root
        bad['locked.png'] = 'cannot be read'
    names = [*bad, *(path.name for path in good)]
    result = run(*names, '-o', 'out', '--compare')
    assert result.status == 1
    lines = result.err.splitlines()
    lines.remove('Note: passed over: 1 other')
    assert len(lines) == len(bad), result.err
    for name, reason in bad.items():
        assert sum(line.startswith(f'amsnet-denoise: {name}: ') and reason in line for line in lines) == 1, (
            name,
            lines,
        )
    for path in good:
        assert read_image(tmp_path / 'out' / path.name).pixels.shape == read_image(path).pixels.shape
    assert len(os.listdir(tmp_path / 'out')) == 2 * len(good)
    assert f'{len(good)} denoised' in result.out and f'{len(bad)} failed' in result.out


def bad_models(folder: Path) -> dict[str, str]:
    """Write weights that can't be used; names and what must be said of them."""
    (folder / 'text.pth').write_text('no weights')
    (folder / 'empty.safetensors').write_bytes(b'')
    torch.save({'params': {'other.weight': torch.zeros(3)}}, folder / 'other.pth')
    weights = tiny_net().state_dict()
    del weights['model.2.weight']
    torch.save({'params': weights}, folder / 'part.pth')
    weights = tiny_net().state_dict()
    weights['model.0.bias'][1] = float('nan')
    torch.save({'params': weights}, folder / 'nan.pth')
    return {
        'none.pth': 'there is no such file',
        'text.pth': '',
        'empty.safetensors': '',
        'other.pth': 'other.weight',
        'part.pth': 'model.2.weight',
        'nan.pth': 'model.0.bias holds NaN',
        'a.png': '',
    }


def test_models_that_cannot_be_used(run, tmp_path):
    image(Path('a.png'))
    for name, reason in bad_models(tmp_path).items():
        result = run('a.png', '-o', 'out', model=('--model', name))
        assert (result.status, result.out) == (2, ''), name
        assert result.err.count('\n') == 1 and name in result.err and reason in result.err, result.err
    result = run('a.png', '-o', 'out', '--opt', 'none.yml')
    assert result.status == 2 and 'none.yml' in result.err and result.err.count('\n') == 1
    result = run('a.png', '-o', 'out', '--refine')  # means nothing for one plain pass
    assert result.status == 2 and 'refine' in result.err and result.err.count('\n') == 1
    assert not Path('out').exists()


def test_a_result_that_is_no_number_fails_its_image_only(run):
    """Weights so large that dark images come through and others overflow."""
    net = tiny_net()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            weight.fill_(0 if name.endswith('bias') else 1e20)
    torch.save({'params': net.state_dict()}, 'huge.pth')
    Image.new('RGB', (16, 16)).save('black.png')
    image(Path('light.png'))
    result = run('light.png', 'black.png', '-o', 'out', model=('--model', 'huge.pth', '--scheme', 'plain'))
    assert result.status == 1 and result.err.count('\n') == 1
    assert result.err.startswith('amsnet-denoise: light.png: the network gives NaN or infinite values')
    assert os.listdir('out') == ['black.png'] and not read_image('out/black.png').pixels.any()


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (['a.png'], 'required: -o/--output'),
        (['a.png', '-o', ''], 'name of a file or folder is empty'),
        (['', '-o', 'out'], 'name of a file or folder is empty'),
        (['a.png', '-o', 'file'], '-o file: it exists and is no folder'),
        (['a.png', '-o', 'file/x'], '-o file/x: file is no folder'),
        (['a.png', 'b.png', '-o', 'x.png'], '-o x.png: a file name, but there may be several images'),
        (['*.png', '-o', 'x.png'], '-o x.png: a file name, but 2 images match'),
        (['a.png', '-o', 'x.png', '--suffix', '_1'], '-o x.png names the file; leave out --ext and --suffix'),
        (['a.png', '-o', 'x.heic'], '-o x.heic: cannot write .heic'),
        (['a.png', '-o', 'out', '--suffix', 'x/y'], '--suffix: a part of a name'),
        (['a.png', '-o', 'out', '--tile', '-3'], '--tile: must be 128 pixels or more, 0 or auto'),
        (['a.png', '-o', 'out', '--tile', '64'], '--tile: must be 128 pixels or more, 0 or auto, got'),
        (['a.png', '-o', 'out', '--tile', 'big'], '--tile: must be 128 pixels or more, 0 or auto'),
        (['a.png', '-o', 'out', '--device', 'CUDA'], '--device: must be cpu, cuda, cuda:1 or mps'),
        (['a.png', '-o', 'out', '--strength', 'nan'], '--strength: must be a number from 0 to 1'),
        (['a.png', '-o', 'out', '--quality', '0'], '--quality: must be a whole number from 1 to 100'),
        (['a.png', '-o', 'out', '--seed', '1.5'], '--seed: must be a whole number'),
        (['a.png', '-o', 'out', '--device', 'cuda:99'], 'device cuda:99 cannot be used'),
        (['a.png', '-o', 'out', '--device', 'gpu'], 'device gpu cannot be used'),
        (['a.png', '-o', 'out', '--ext', 'gif'], '--ext: invalid choice'),
        (['a.png', '-o', 'out', '--gallery', 'b.png'], '--gallery: the name must end in .html'),
        (['a.png', '-o', 'out', '--gallery', 'none/b.html'], 'none/b.html: there is no folder none'),
        (['a.png', '-o', 'out', '--gallery', 'b' * 300 + '/b.html'], '/b.html: there is no folder b'),
        (['a.png', '-o', 'out', '--gallery', 'x/' * 3000 + 'b.html'], '/b.html: there is no folder x'),
        (['a.png', '-o', 'out', '--json', 'x/' * 3000 + 'b.json'], '/b.json: there is no folder x'),
        (['a.png', '-o', 'out', '--json', 'pipe.json'], 'pipe.json: exists already'),
        (['a.png', '-o', 'out', '--unknown'], 'unrecognized arguments: --unknown'),
        (['a.png', 'sub', '-o', 'out'], 'would both be written to out/a.png'),
    ],
)
def test_wrong_usage_is_told_before_any_work(run, arguments, reason):
    for name in ('a.png', 'b.png', 'sub/a.png'):
        image(Path(name))
    Path('file').write_bytes(b'')
    os.mkfifo('pipe.json')
    before = sorted(map(str, Path().rglob('*')))
    result = run(*arguments)
    assert (result.status, result.out) == (2, '')
    assert reason in result.err and result.err.count('\n') == 1 and result.err.startswith('amsnet-denoise: ')
    assert sorted(map(str, Path().rglob('*'))) == before


def test_closed_folders_are_named_and_the_rest_goes_on(run):
    for name in ('a.png', 'listed/b.png', 'closed/c.png'):
        image(Path('p') / name)
    Path('p/listed').chmod(0o444)
    Path('p/closed').chmod(0o000)
    if os.access('p/closed', os.R_OK):
        pytest.skip('root may do everything')
    try:
        result = run('p', 'p/closed/c.png', 'p/listed/*', '-o', 'out')
        assert result.status == 1 and os.listdir('out') == ['a.png']
        for said in (
            'p/listed/b.png: cannot be looked at: Permission denied',
            'p/closed: cannot be searched: Permission denied',
            'p/closed/c.png: cannot be looked at: Permission denied',
        ):
            assert result.err.count(said) == 1
        for report in (('--json', 'p/listed/s.json'), ('--gallery', 'p/listed/s.html')):
            result = run('p/a.png', '-o', 'new', *report)
            assert result.status == 2 and 'p/listed cannot be written to' in result.err
        assert not Path('new').exists()
    finally:
        Path('p/listed').chmod(0o755)
        Path('p/closed').chmod(0o755)


def test_outputs_that_cannot_be_written(run):
    image(Path('p/sub/a.png'))
    image(Path('p/b.png'))
    Path('out').mkdir()
    Path('out/sub').write_text('a file in the place of a folder', encoding='utf-8')
    Path('out/b.png').mkdir()
    result = run('p', '-o', 'out')
    assert result.status == 1 and result.err.count('\n') == 2
    assert 'out/sub/a.png: its folder cannot be made' in result.err and 'out/b.png: ' in result.err
    if Path('/proc/self').exists():
        result = run('p', '-o', '/proc/new/out')
        assert result.status == 2 and '/proc/new/out' in result.err and result.err.count('\n') == 1
    assert np.array_equal(read_image('p/b.png').pixels, read_image('p/sub/a.png').pixels)
