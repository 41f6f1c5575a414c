"""`--preview`: one crop at several strengths."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from amsnet_basicsr.denoise import Denoiser
from amsnet_basicsr.denoise.command.preview import preview
from amsnet_basicsr.images import ImageData, read_image
from amsnet_basicsr.options.blocks import DenoiserScheme
from tests.denoise.run_command import image, plain, tiny_net

CAPTION, GAP = 22, 6


def panels(path: str, width: int, height: int) -> list[np.ndarray]:
    """Cut a sheet of three columns at its captions."""
    sheet = read_image(path).pixels
    down, across = height + CAPTION + GAP, sheet.shape[1] // 3
    return [
        sheet[top + CAPTION : top + CAPTION + height, left : left + width]
        for top in range(0, sheet.shape[0], down)
        for left in range(0, 3 * across, across)
    ]


def test_a_crop_at_several_strengths(run):
    noisy = read_image(image(Path('p/a.png'), 300, 400)).pixels
    result = run('p', '-o', 'out', '--preview', '60,50,70,40', '--strength', '0.4')
    assert result.status == 0 and Path('out/a_preview.png').is_file() and not Path('out/a.png').exists()
    assert '1 denoised (0.00 MP in ' in result.out  # of the crop, not of the image
    crop = slice(50, 90), slice(60, 130)
    found = panels('out/a_preview.png', 70, 40)
    full = plain(noisy)[crop].astype(float)
    expected = [noisy[crop], noisy[crop] + 0.4 * (full - noisy[crop]), None, full, *(
        noisy[crop] + strength * (full - noisy[crop]) for strength in (0.75, 0.5, 0.25)
    )]  # fmt: skip
    assert len(found) == 9 and (found[7] == 40).all()  # 7 parts in three rows; the rest is background
    for number, (part, value) in enumerate(zip(found, expected, strict=False)):
        if value is not None:
            assert np.abs(part - value).max() <= 1, number


def test_deep_and_grey_images_and_named_files(run):
    tifffile.imwrite('deep.tif', np.random.default_rng(0).integers(0, 1024, (60, 80), dtype=np.uint16))
    assert run('deep.tif', '-o', 'sheet.jpg', '--preview', '0,0,1000,1000').status == 0
    sheet = read_image('sheet.jpg').pixels
    assert sheet.shape[2] == 1 and sheet[30:80, :80].mean() > 100  # 10 bits are shown as such


def test_sheets_beside_the_originals_are_no_inputs_and_exist_once(run):
    image(Path('p/a.png'))
    assert run('p', '-o', 'p', '--preview', '0,0,20,20').status == 0
    assert '1 skipped' in run('p', '-o', 'p', '--preview', '0,0,9,9').out
    assert '1 image left out' in run('p', '-o', 'p', '--suffix', '_clean').err
    assert sorted(path.name for path in Path('p').iterdir()) == ['a.png', 'a_clean.png', 'a_preview.png']
    image(Path('q/a.png'))
    assert run('q', '-o', 'q', '--suffix', '_clean', '--preview', '0,0,20,20').status == 0
    assert '1 image left out' in run('q', '-o', 'q', '--suffix', '_clean').err
    assert sorted(path.name for path in Path('q').iterdir()) == ['a.png', 'a_clean.png', 'a_clean_preview.png']


def test_a_share_of_nothing_is_shown_too(run):
    image(Path('a.png'))
    for name, settings in {'luma': ('--luma', '0'), 'grain': ('--grain', '0')}.items():
        assert run('a.png', '-o', f'{name}.png', '--preview', '0,0,20,20', *settings).status == 0
    luma, usual = (read_image(f'{name}.png').pixels for name in ('luma', 'grain'))
    assert luma.shape[0] == 3 * usual.shape[0] // 2  # a seventh part


def test_the_summary_counts_the_part_that_is_shown(run):
    image(Path('a.png'), 300, 400)
    result = run('a.png', '-o', 'out', '--preview', '100,100,200,1000', '--json')
    content = json.loads(result.out)
    assert content['megapixels'] == content['files'][0]['megapixels'] == 200 * 200 / 1e6
    assert (content['files'][0]['width'], content['files'][0]['height']) == (400, 300)


def test_crops_outside_fail_their_image(run):
    image(Path('a.png'))
    image(Path('b.png'), 100, 100)
    result = run('a.png', 'b.png', '-o', 'out', '--preview', '40,10,20,20')
    assert result.status == 1 and Path('out/b_preview.png').exists()
    assert 'a.png: --preview 40,10,20,20 lies outside of this image of 32×24 pixels' in result.err


@pytest.mark.parametrize('crop', ['1,2,3', '1,2,0,4', 'a,b,c,d', '-1,0,5,5', '1,2,3,4,5'])
def test_crops_that_are_none(run, crop):
    image(Path('a.png'))
    result = run('a.png', '-o', 'out', f'--preview={crop}')
    assert result.status == 2 and '--preview: must be left,top,width,height' in result.err
    assert run('a.png', '-o', 'out', '--preview', '0,0,9,9', '--compare').status == 2


def test_a_preview_can_be_interrupted():
    def stop(done: int, every: int) -> None:
        raise KeyboardInterrupt

    denoiser = Denoiser(tiny_net(), DenoiserScheme('plain'), device='cpu')
    noisy = ImageData(np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(KeyboardInterrupt):
        preview(noisy, (0, 0, 9, 9), denoiser, {'strength': 'auto'}, 'x', stop)
