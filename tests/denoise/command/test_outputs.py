"""Where results go, and that nothing is lost there."""

import os
from pathlib import Path

import pytest

from amsnet_basicsr.denoise.command.arguments import UsageError
from amsnet_basicsr.denoise.command.inputs import Found, find_inputs
from amsnet_basicsr.denoise.command.outputs import check_folder, check_report, make_jobs, output_file


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*names: str) -> list[Found]:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(name.encode())
    return [Found(Path(name), Path(name), False) for name in names]


def outputs(images: list[Found], **settings: object) -> list[str]:
    return [str(job.output) for job in make_jobs(images, Path('out'), **settings)[0]]


def test_formats_and_names(here):
    images = found('a.JPG', 's/b.heic', 's/c', 'd.e.tiff')
    assert outputs(images) == ['out/a.JPG', 'out/s/b.png', 'out/s/c.png', 'out/d.e.tiff']
    assert outputs(images, ext='tif') == ['out/a.tif', 'out/s/b.tif', 'out/s/c.tif', 'out/d.e.tif']
    assert outputs(images, suffix='_x') == ['out/a_x.JPG', 'out/s/b_x.png', 'out/s/c_x.png', 'out/d.e_x.tiff']


def test_two_images_with_the_same_output_are_refused(here):
    with pytest.raises(UsageError, match=r'^a\.jpg and a\.png would both be written to out/a\.png; use another --ext'):
        make_jobs(found('a.jpg', 'a.png'), Path('out'), ext='png')
    Path('out').mkdir()
    os.symlink('.', 'out/alias')
    twice = [Found(Path('a.jpg'), Path('a.jpg'), False), Found(Path('b.jpg'), Path('alias/a.jpg'), False)]
    with pytest.raises(UsageError, match='both'):
        make_jobs(twice, Path('out'))
    with pytest.raises(UsageError, match='both'):
        make_jobs(found('a.png', 'a_compare.png'), Path('out'), compare=True)


def test_images_to_compare_get_names_of_their_own(here):
    jobs, _ = make_jobs(found('a.jpg', 'a.png', 's/a.png', 'b.c.png', 'b.d.png'), Path('out'), compare=True)
    assert [str(job.compare) for job in jobs] == [
        'out/a_jpg_compare.png',
        'out/a_png_compare.png',
        'out/s/a_compare.png',
        'out/b.c_compare.png',
        'out/b.d_compare.png',
    ]


@pytest.mark.parametrize('overwrite', [False, True])
def test_inputs_are_never_written_over(here, overwrite):
    images = found('p/a.png', 'p/b.png')
    inside = [Found(one.path, Path(one.path.name), False) for one in images]
    with pytest.raises(UsageError, match=r'^p/a\.png is an input and would be written over; choose another folder'):
        make_jobs(inside, Path('p'), overwrite=overwrite)
    # By another name: a link to the folder, a hard link to the image, a link to it.
    os.symlink('p', 'alias')
    with pytest.raises(UsageError, match=r'p/a\.png is an input .* \(it is the same file as alias/a\.png\)'):
        make_jobs(inside, Path('alias'), overwrite=overwrite)
    Path('out').mkdir()
    os.link('p/a.png', 'out/b.png')
    with pytest.raises(UsageError, match=r'p/a\.png is an input .*same file as out/b\.png'):
        make_jobs(inside, Path('out'), overwrite=overwrite)
    Path('out/b.png').unlink()
    os.symlink('../p/b.png', 'out/a.png')
    with pytest.raises(UsageError, match=r'p/b\.png is an input .*same file as out/a\.png'):
        make_jobs(inside, Path('out'), overwrite=overwrite)


def test_a_second_run_into_the_same_folder_leaves_its_own_outputs_out(here):
    found('p/a.png', 'p/a_x.png', 'p/b.png')
    images = find_inputs(['p'], Path('p')).found
    jobs, left_out = make_jobs(images, Path('p'), suffix='_x')
    assert [(str(job.source), job.done) for job in jobs] == [('p/a.png', True), ('p/b.png', False)]
    assert left_out == [Path('p/a_x.png')]
    # It may as well be an image of the user's: never replaced.
    with pytest.raises(UsageError, match=r'p/a_x\.png is an input and would be written over'):
        make_jobs(images, Path('p'), suffix='_x', overwrite=True)


def test_existing_outputs_are_skipped_or_replaced(here):
    images = found('a.png', 'b.png', 'c.png')
    Path('out/c.png').mkdir(parents=True)
    Path('out/a.png').write_bytes(b'old')
    assert [job.done for job in make_jobs(images, Path('out'))[0]] == [True, False, False]
    assert [job.done for job in make_jobs(images, Path('out'), overwrite=True)[0]] == [False, False, False]


def test_output_is_a_file_or_a_folder(here):
    Path('folder.png').mkdir()
    Path('file').write_bytes(b'')
    Path('p').mkdir()
    assert output_file('out', ['a.png']) is None
    assert output_file('out.v2', ['a.png', 'b.png']) is None
    assert output_file('folder.png', ['a.png']) is None and output_file('new.png/', ['a.png']) is None
    assert output_file('new.JPG', ['a.png']) == Path('new.JPG')
    for output, names, reason in (
        ('x.png', ['a.png', 'b.png'], 'there may be several images'),
        ('x.png', ['p'], 'there may be several images'),
        ('x.heic', ['a.png'], 'cannot write .heic'),
        ('file', ['a.png'], 'it exists and is no folder'),
    ):
        with pytest.raises(UsageError, match=reason):
            output_file(output, names)


def test_folders_and_reports_that_cannot_be_written(here):
    Path('file').write_bytes(b'')
    Path('old.json').write_text('{"program": "something else"}', encoding='utf-8')
    Path('ours.json').write_text('{"program": "amsnet-denoise"}', encoding='utf-8')
    with pytest.raises(UsageError, match=r'^-o file/deep/er: file is no folder'):
        check_folder(Path('file/deep/er'))
    check_folder(Path('new/deep/er'))
    jobs, _ = make_jobs(found('a.png'), Path('out'))
    check_report(Path('ours.json'), Path('out'), jobs, False)
    check_report(Path('out/new.html'), Path('out'), jobs, False)
    check_report(Path('old.json'), Path('out'), jobs, True)
    for report in ('old.json', 'none/a.json', 'out/a.png', '.'):
        with pytest.raises(UsageError):
            check_report(Path(report), Path('out'), jobs, False)
