"""Outputs that exist: what a second run does with them, without denoising them again."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amsnet_basicsr.denoise import Denoiser
from amsnet_basicsr.denoise.command import batch
from amsnet_basicsr.denoise.command.arguments import given, parse
from amsnet_basicsr.images import read_image
from tests.denoise.run_command import image

NO_MODEL = ('--model', 'none.pth')  # fails if it is needed


@pytest.fixture
def first(run) -> bytes:
    image(Path('p/a.png'))
    image(Path('p/b.jpg'), seed=1)
    assert run('p', '-o', 'out').status == 0
    return Path('out/a.png').read_bytes()


def test_gallery_and_comparisons_of_existing_outputs(run, first):
    result = run('p', '-o', 'out', '--gallery', 'g.html', '--compare', '--json', 's.json', model=NO_MODEL)
    assert result.status == 0, result.err
    assert '0 denoised, 2 skipped' in result.out and 'p/a.png -> out/a.png (exists)' in result.out
    page = Path('g.html').read_text(encoding='utf-8')
    assert 'p/a.png' in page and 'p/b.jpg' in page and page.count('those of an earlier run') == 2
    both = read_image('out/a_compare.png').pixels
    assert np.array_equal(both[:, :32], read_image('p/a.png').pixels)
    assert np.array_equal(both[:, -32:], read_image('out/a.png').pixels)
    files = json.loads(Path('s.json').read_text(encoding='utf-8'))['files']
    assert [(file['status'], file['compare']) for file in files] == [
        ('skipped', 'out/a_compare.png'), ('skipped', 'out/b_compare.png'),
    ]  # fmt: skip
    assert Path('out/a.png').read_bytes() == first
    # Once more: everything is there.
    result = run('p', '-o', 'out', '--gallery', 'g.html', '--compare', model=NO_MODEL)
    assert result.status == 0 and 'g.html exists, and there are no new images for it' in result.err
    assert Path('g.html').read_text(encoding='utf-8') == page and not Path('g-2.html').exists()


def test_a_new_gallery_shows_old_and_new_images(run, first):
    image(Path('p/c.png'))
    assert run('p', '-o', 'out', '--gallery', 'g.html').status == 0
    page = Path('g.html').read_text(encoding='utf-8')
    assert re.findall(r'p/[abc]\.\w+', page)[::1] and all(f'p/{name}' in page for name in ('a.png', 'b.jpg', 'c.png'))
    assert page.count('those of an earlier run') == 2 and page.count('DnCNN, one pass') == 1


def test_what_is_no_output_of_its_input_is_told(run, first):
    image(Path('out/a.png'), 50, 50)
    Path('out/b.jpg').write_text('text', encoding='utf-8')
    result = run('p', '-o', 'out', '--gallery', 'g.html', model=NO_MODEL)
    assert result.status == 1 and not Path('g.html').exists()
    assert 'out/a.png: not of the size of p/a.png; --overwrite makes it anew' in result.err
    assert 'out/b.jpg: not an image' in result.err


def test_grey_and_colour_are_shown_together(run):
    Image.fromarray(np.arange(24 * 32, dtype=np.uint8).reshape(24, 32)).save('grey.png')
    assert run('grey.png', '-o', 'out', '--ext', 'webp').status == 0  # which has no grey
    assert run('grey.png', '-o', 'out', '--ext', 'webp', '--compare', model=NO_MODEL).status == 0
    assert read_image('out/grey_compare.png').grey


def test_other_settings_are_said_not_to_hold_for_existing_outputs(run, first):
    result = run('p', '-o', 'out', '--strength', '0.5', '--no-refine', model=())
    assert result.status == 0 and Path('out/a.png').read_bytes() == first
    assert 'outputs that exist stay as an earlier run made them, without --no-refine --strength 0.5' in result.err
    result = run('p', '-o', 'out', '--strength', 'auto', model=())
    assert result.err == '' and '2 skipped, as the output exists (--overwrite replaces it)' in result.out


def test_the_settings_that_matter_are_listed():
    options = 'a -o b --luma 0.5 --quality 95 --refine --tile 256 -q --preview 1,2,30,40'.split()
    assert given(parse(options)) == '--refine --luma 0.5 --tile 256 --preview 1,2,30,40'


@pytest.mark.parametrize('before', [True, False])
def test_an_output_that_another_process_writes_meanwhile_is_no_failure(run, monkeypatch, before):
    image(Path('a.png'))
    load, denoise = batch.load_denoiser, Denoiser.__call__

    def other_process() -> None:
        image(Path('out.png'), seed=1)

    def load_slowly(*arguments):
        if before:
            other_process()
        return load(*arguments)

    def denoise_slowly(self, pixels, *arguments, **settings):
        assert not before
        other_process()
        return denoise(self, pixels, *arguments, **settings)

    monkeypatch.setattr(batch, 'load_denoiser', load_slowly)
    monkeypatch.setattr(Denoiser, '__call__', denoise_slowly)
    result = run('a.png', '-o', 'out.png')
    assert result.status == 0 and '0 denoised, 1 skipped' in result.out and result.err == ''
    kept = read_image('out.png').pixels
    image(Path('other.png'), seed=1)
    assert np.array_equal(kept, read_image('other.png').pixels)


def test_an_interruption_before_the_first_image_is_reported_too(run, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    image(Path('a.png'))
    monkeypatch.setattr(batch, 'load_denoiser', interrupted)
    result = run('a.png', '-o', 'out', '--json')
    assert result.status == 130 and 'Interrupted: 0 denoised, 1 not begun' in result.err
    assert json.loads(result.out)['counts']['not_begun'] == 1


def test_a_dangling_link_is_no_output(run):
    image(Path('a.png'))
    Path('out').mkdir()
    os.symlink('nowhere.png', 'out/a.png')
    result = run('a.png', '-o', 'out')
    assert result.status == 1 and '0 denoised, 1 failed' in result.out and 'out/a.png: exists already' in result.err
