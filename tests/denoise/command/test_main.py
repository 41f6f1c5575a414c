"""The command on good images: what is written, kept, skipped and said."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.ExifTags import Base

from amsnet_basicsr.cli import main
from amsnet_basicsr.denoise.command.console import Console
from amsnet_basicsr.images import read_image
from amsnet_basicsr.version import __version__
from tests.conftest import noisy_image
from tests.denoise.run_command import image, plain, tiny_weights
from tests.images.samples import ICC, XMP, exif, pixels

COMMAND = ('-m', 'amsnet_basicsr.denoise')
TINY = ('-o', 'out', '--model', 'net.safetensors', '--scheme', 'plain', '--strength', '1')


def test_folders_patterns_and_odd_names_as_a_process(fork_server, tmp_path):
    tiny_weights(tmp_path / 'net.safetensors')
    names = ['a b.png', 'sub/zoë 写真.bmp', 'sub/deep/x[1].png', 'sub/two\nlines.png', '-o.png']
    for number, name in enumerate(names):
        image(tmp_path / 'p' / name, seed=number)
    image(tmp_path / 'odd[1].png', seed=9)
    result = fork_server.run(*COMMAND, 'p', 'odd[1].png', *TINY, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, '')
    for name in names:
        assert np.array_equal(
            read_image(tmp_path / 'out' / name).pixels, plain(read_image(tmp_path / 'p' / name).pixels)
        )
    assert (tmp_path / 'out/odd[1].png').exists()
    lines = result.stdout.splitlines()
    assert len(lines) == len(names) + 2 and lines[-1].startswith('6 denoised (')
    assert any('two\\nlines.png' in line for line in lines)
    assert sum(len(files) for _, _, files in os.walk(tmp_path / 'out')) == 6  # nothing temporary is left


@pytest.mark.parametrize(
    ('name', 'channels', 'dtype'),
    [('a.png', 3, np.uint16), ('a.png', 1, np.uint16), ('a.tif', 3, np.uint16), ('a.png', 4, np.uint8),
     ('a.tif', 4, np.uint16), ('a.png', 2, np.uint8), ('a.bmp', 1, np.uint8), ('a.tif', 3, np.uint8)],
)  # fmt: skip
def test_depth_channels_and_alpha_are_kept(run, tmp_path, name, channels, dtype):
    data = pixels(24, 32, channels, dtype)
    if name == 'a.tif':
        tifffile.imwrite(name, data, photometric='rgb', extrasamples=['unassalpha'] if channels == 4 else None)
    else:
        from amsnet_basicsr.images import ImageData, write_image

        alpha = data[..., -1] if channels in (2, 4) else None
        write_image(name, ImageData(data if alpha is None else data[..., :-1].copy(), alpha))
    assert run(name, '-o', 'out').status == 0
    before, after = read_image(name), read_image(f'out/{name}')
    assert after.pixels.dtype == dtype and after.pixels.shape == before.pixels.shape
    # Of 65536 values; an 8 bit step in between would show as up to 128.
    assert np.abs(after.pixels.astype(float) - plain(before.pixels)).max() <= 2
    assert not np.array_equal(after.pixels, before.pixels)
    assert np.array_equal(after.alpha, before.alpha) if before.alpha is not None else after.alpha is None


@pytest.mark.parametrize('name', ['a.jpg', 'a.webp', 'a.png', 'a.tif'])
def test_orientation_and_metadata(run, name):
    extra = {} if name.endswith(('png', 'tif')) else {'xmp': XMP % 6}
    image(Path(name), exif=exif(6), icc_profile=ICC, quality=95, **extra)
    assert run(name, '-o', 'out').status == 0
    result = Image.open(f'out/{name}')
    assert result.size == (24, 32) and result.info['icc_profile'] == ICC
    assert result.getexif()[Base.Make] == 'Camera Works' and result.getexif().get(Base.Orientation, 1) == 1
    expected = plain(read_image(name).pixels).astype(float)
    assert np.abs(read_image(f'out/{name}').pixels - expected).mean() < (9 if extra else 0.1)


def test_one_image_to_a_named_file_in_another_format(run):
    Image.fromarray(noisy_image(24, 32, 0)).quantize(32).save('palette.gif')
    assert run('palette.gif', '-o', 'new/clean.tif').status == 0
    assert read_image('new/clean.tif').pixels.shape == (24, 32, 3)
    assert run('palette.gif', '-o', 'out').status == 0 and Path('out/palette.png').exists()
    image(Path('b.bmp'))
    assert run('b.bmp', '-o', 'out', '--ext', 'jpg', '--suffix', '_clean', '--quality', '80').status == 0
    assert Image.open('out/b_clean.jpg').format == 'JPEG'
    for ext in ('webp', 'avif'):
        assert run('b.bmp', '-o', 'out', '--ext', ext).status == 0
        assert Image.open(f'out/b.{ext}').format == ext.upper()
        assert run(f'out/b.{ext}', '-o', 'again').status == 0  # and keeps its format
        assert Image.open(f'again/b.{ext}').format == ext.upper()


def test_what_the_format_cannot_keep_is_said(run):
    tifffile.imwrite('deep.tif', pixels(dtype=np.uint16), photometric='rgb')
    tifffile.imwrite('deep2.tif', pixels(dtype=np.uint16), photometric='rgb')
    result = run('deep.tif', 'deep2.tif', '-o', 'out', '--ext', 'jpg')
    assert result.status == 0
    said = '16 bit are rounded to 8, as .jpg has no more'
    assert result.err.splitlines() == [f'Note: deep.tif: {said}', f'Note: 1 more: {said}']
    image(Path('clear.png'))
    Image.open('clear.png').convert('RGBA').save('opaque.png')
    translucent = Image.open('clear.png')
    translucent.putalpha(100)
    translucent.save('clear.png')
    result = run('clear.png', 'opaque.png', '-o', 'out', '--ext', 'jpg')
    assert result.status == 1 and result.err.count('\n') == 1
    assert 'out/clear.jpg: .jpg holds no alpha channel' in result.err
    assert Path('out/opaque.jpg').exists() and not Path('out/clear.jpg').exists()


def test_existing_outputs_are_skipped_and_counted(run):
    image(Path('p/a.png'))
    image(Path('p/b.png'), seed=1)
    Path('out').mkdir()
    Path('out/a.png').write_bytes(b'kept')
    result = run('p', '-o', 'out')
    assert result.status == 0 and Path('out/a.png').read_bytes() == b'kept' and Path('out/b.png').exists()
    assert '1 denoised' in result.out and '1 skipped, as the output exists (--overwrite replaces it)' in result.out
    # With nothing to do, no model is needed.
    result = run('p', '-o', 'out', model=('--model', 'none.pth'))
    assert result.status == 0 and result.out.startswith('0 denoised, 2 skipped')
    assert run('p', '-o', 'out', '--overwrite').status == 0
    assert np.array_equal(read_image('out/a.png').pixels, plain(read_image('p/a.png').pixels))


def test_inputs_survive(run):
    content = image(Path('p/a.png')).read_bytes()
    image(Path('p/b.png'))
    Path('link').symlink_to('p')
    for arguments in (('p', '-o', 'p'), ('p/a.png', '-o', 'p/a.png'), ('p/a.png', 'p/b.png', '-o', 'link')):
        result = run(*arguments, '--overwrite')
        assert result.status == 2 and result.err.count('\n') == 1
        assert 'is an input and would be written over' in result.err and result.out == ''
    result = run('p/a.png', '--json', 'p/b.png', '-o', 'out')
    assert result.status == 2 and 'the name must end in .json' in result.err
    assert Path('p/a.png').read_bytes() == content and Path('p/b.png').read_bytes() == content


def test_compare_and_gallery(run):
    image(Path('p/a.png'))
    image(Path('p/a.jpg'))
    result = run('p', '-o', 'out', '--compare', '--gallery', 'out/index.html')
    assert result.status == 0, result.err
    both = read_image('out/a_png_compare.png').pixels
    assert np.array_equal(both[:, :32], read_image('p/a.png').pixels)
    assert np.array_equal(both[:, -32:], read_image('out/a.png').pixels)
    page = Path('out/index.html').read_text(encoding='utf-8')
    assert 'p/a.png' in page and 'p/a.jpg' in page
    assert page.count('DnCNN, one pass') == 2 and 'seconds' in page
    # The same command again, with one more image: the page that is there stays, and so do the comparisons.
    image(Path('p/b.png'))
    result = run('p', '-o', 'out', '--compare', '--gallery', 'out/index.html')
    assert result.status == 0 and 'images that this run denoises go to out/index-2.html' in result.err
    assert Path('out/index.html').read_text(encoding='utf-8') == page
    assert 'p/b.png' in Path('out/index-2.html').read_text(encoding='utf-8') and 'p/a.png' not in Path(
        'out/index-2.html'
    ).read_text(encoding='utf-8')
    (Path('q')).mkdir()
    Path('q/bad.png').write_text('text', encoding='utf-8')
    assert run('q', '-o', 'new', '--gallery', 'page.html').status == 1
    assert not Path('page.html').exists()  # an empty page is of no use


def test_json(run):
    image(Path('p/a.png'))
    Path('p/bad.png').write_text('text', encoding='utf-8')
    Path('p/b.jxl').touch()
    Path('p/notes.txt').touch()
    result = run('p', 'none.png', '-o', 'out', '--seed', '3', '--json')
    content = json.loads(result.out)
    assert content['passed_over'] == {'.jxl': 1, 'other': 1}
    assert 'Note: passed over: 1 .jxl (convert them to PNG or TIFF), 1 other\n' in result.err
    assert result.status == content['exit_status'] == 1 and '1 denoised' in result.err
    assert content['version'] == __version__ and content['settings']['seed'] == 3
    assert content['model']['arch'] == 'DnCNN' and content['model']['scheme'] == 'plain'
    assert content['counts'] == {'inputs': 3, 'denoised': 1, 'skipped': 0, 'failed': 2, 'not_begun': 0}
    status = {file['input']: file['status'] for file in content['files']}
    assert status == {'none.png': 'failed', 'p/a.png': 'denoised', 'p/bad.png': 'failed'}
    done = next(file for file in content['files'] if file['status'] == 'denoised')
    assert (done['output'], done['width'], done['height'], done['bits']) == ('out/a.png', 32, 24, 8)
    assert content['megapixels'] == pytest.approx(32 * 24 / 1e6) and content['seconds'] > 0
    # To a file: it may replace an earlier summary, and nothing else.
    assert run('p/a.png', '-o', 'out', '--json', 'out/s.json').status == 0
    assert json.loads(Path('out/s.json').read_text(encoding='utf-8'))['counts']['skipped'] == 1
    assert run('p/a.png', '-o', 'out2', '--json', 'out/s.json').status == 0
    assert json.loads(Path('out/s.json').read_text(encoding='utf-8'))['counts']['denoised'] == 1
    Path('mine.json').write_text('{}', encoding='utf-8')
    assert run('p/a.png', '-o', 'out3', '--json', 'mine.json').status == 2
    assert Path('mine.json').read_text(encoding='utf-8') == '{}' and not Path('out3').exists()


def test_settings_reach_the_denoiser(run):
    image(Path('a.png'), 64, 64)
    noisy = read_image('a.png').pixels

    def result(*arguments: str, model: str = 'net.safetensors') -> np.ndarray:
        assert run('a.png', '-o', 'a_out.png', '--overwrite', *arguments, model=('--model', model)).status == 0
        return read_image('a_out.png').pixels

    assert np.array_equal(result('--scheme', 'plain'), plain(noisy))
    assert np.array_equal(result('--scheme', 'plain', '--strength', '0'), noisy)
    masked = result('--scheme', 'amsnet')
    assert not np.array_equal(masked, plain(noisy))
    assert np.array_equal(masked, result('--scheme', 'amsnet', '--no-refine', '--tile', '0', '--device', 'cpu'))
    assert not np.array_equal(masked, result('--scheme', 'amsnet', '--seed', '1'))
    assert not np.array_equal(masked, result('--scheme', 'amsnet', '--refine'))


def test_quiet_says_errors_only(run):
    image(Path('a.png'))
    result = run('a.png', 'none.png', '-o', 'out', '-q')
    assert (result.status, result.out, result.err) == (1, '', 'amsnet-denoise: none.png: no such file or folder\n')


def test_help_and_mistakes_are_told_without_pytorch(tmp_path):
    program = """
import sys
from amsnet_basicsr.cli import main
for line in ('--help', '--version', '', 'a.png', 'a.png -o b --strength 2', 'a.png -o out'):
    print('status', main(line.split()), flush=True)
sys.exit('torch' in sys.modules)
"""
    result = subprocess.run([sys.executable, '-c', program], cwd=tmp_path, capture_output=True, text=True, timeout=250)
    assert result.returncode == 0
    assert [line for line in result.stdout.splitlines() if line.startswith('status')] == [
        'status 0', 'status 0', 'status 0', 'status 2', 'status 2', 'status 1',
    ]  # fmt: skip
    assert result.stderr.count('\n') == 3 and '--strength: must be a number from 0 to 1' in result.stderr


@pytest.mark.parametrize('command', ['fit', 'adapt', 'export'])
def test_no_arguments_print_the_help(command, capsys):
    try:
        status = main([command])
    except SystemExit as stop:
        status = stop.code
    assert status == 0 and capsys.readouterr().out.startswith(f'usage: amsnet-denoise {command} ')


def test_names_that_begin_with_a_dash_come_after_two(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_weights(tmp_path / 'net.safetensors')
    for name in ('-a.png', 'b.png'):
        image(tmp_path / name)
    assert main([*TINY, '--', '-a.png', 'b.png']) == 0
    assert sorted(os.listdir('out')) == ['-a.png', 'b.png']


def test_an_interruption_says_how_far_it_came_and_leaves_no_half_files(fork_server, tmp_path):
    tiny_weights(tmp_path / 'net.safetensors')
    for number in range(60):
        image(tmp_path / 'p' / f'{number:02}.png', 200, 200, seed=number)
    result = fork_server.run(
        *COMMAND, 'p', '-o', 'out', '--model', 'net.safetensors', '--scheme', 'amsnet', '--refine', '--json', 's.json',
        cwd=tmp_path, signal_at=(signal.SIGINT, '[1/60]', 1),
    )  # fmt: skip
    assert result.returncode == 130
    err = result.stderr
    assert 'amsnet-denoise: Interrupted: ' in err and 'not begun' in err and 'Traceback' not in err
    counts = json.loads((tmp_path / 's.json').read_text())['counts']
    written = sorted(os.listdir(tmp_path / 'out'))
    assert 0 < counts['denoised'] == len(written) < 60 and counts['not_begun'] == 60 - len(written)
    for name in written:
        assert read_image(tmp_path / 'out' / name).pixels.shape == (200, 200, 3)


def test_a_reader_that_goes_away_stops_no_work(fork_server, tmp_path):
    tiny_weights(tmp_path / 'net.safetensors')
    for number in range(5):
        image(tmp_path / 'p' / f'{number}.png', seed=number)
    program = """
import os, runpy
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 1)
runpy.run_module('amsnet_basicsr.denoise', run_name='__main__', alter_sys=True)
"""
    result = fork_server.run('-c', program, 'p', *TINY, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, '')
    assert len(os.listdir(tmp_path / 'out')) == 5


def test_comparisons_beside_the_originals_are_no_inputs_of_the_next_run(run):
    image(Path('p/a.png'))
    image(Path('p/a.jpg'))
    command = ('p', '-o', 'p', '--suffix', '_clean')
    assert run(*command, '--compare').status == 0
    before = sorted(path.name for path in Path('p').iterdir())
    assert len(before) == 6
    for further in (('--compare',), ()):
        result = run(*command, *further)
        assert result.status == 0, result.err
        assert sorted(path.name for path in Path('p').iterdir()) == before


def test_an_image_without_noise_is_left_as_it_is_and_noise_is_told(run):
    Image.fromarray(np.full((64, 64, 3), 120, np.uint8)).save('flat.png')
    image(Path('noisy.png'), 64, 64)
    result = run('flat.png', 'noisy.png', '-o', 'out', '--json', 'summary.json', '--strength', 'auto', model=())
    assert result.status == 0 and 'flat.png: little noise, left as it is' in result.err
    assert np.array_equal(read_image('out/flat.png').pixels, read_image('flat.png').pixels)
    assert not np.array_equal(read_image('out/noisy.png').pixels, read_image('noisy.png').pixels)
    files = json.loads(Path('summary.json').read_text(encoding='utf-8'))['files']
    levels = [file['noise_level'] for file in files]
    assert {file['computed_in'] for file in files} == {'float32'}
    assert levels[0] < 0.5 < levels[1] and f'noise {levels[0]:.1f} to {levels[1]:.1f} of 255' in result.out


@pytest.mark.parametrize('size', [(7, 64), (64, 7), (1, 1)])
def test_an_image_too_small_to_measure_is_not_said_to_have_little_noise(run, size):
    image(Path('a.png'), *size)
    result = run('a.png', '-o', 'out', '--json', '--strength', 'auto', model=())
    assert result.status == 0 and json.loads(result.out)['files'][0]['noise_level'] is None
    assert 'a.png: too small to measure its noise, left as it is (--strength 1 denoises all the same)' in result.err
    assert 'little noise' not in result.err and 'of 255' not in result.err
    assert np.array_equal(read_image('out/a.png').pixels, read_image('a.png').pixels)


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no /dev/full')
def test_output_that_cannot_be_written_stops_no_image(capsys):
    console = Console()
    with open('/dev/full', 'w', encoding='utf-8') as full, open(os.devnull, encoding='utf-8') as closed:
        for stream in (full, closed, None):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr('sys.stderr', stream)
                console.error('a')
    assert capsys.readouterr().out == ''  # where JSON may be expected
