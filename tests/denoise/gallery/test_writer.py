"""The gallery as a file: what is in it, and that nothing else is touched."""

import base64
import re
import weakref
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from amsnet_basicsr.denoise.detail import most_detailed
from amsnet_basicsr.denoise.gallery.writer import GalleryEntry, GalleryError, GalleryWriter
from amsnet_basicsr.images import ImageData, to_8_bit
from tests.denoise.gallery.gallery_images import ODD_NAME, noise, plain, profile, write_gallery


class Page(HTMLParser):
    """What is on a page: tags with their attributes, and texts by their tag."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self._open = [], [], []
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else '', data))

    def images(self):
        """Return the decoded images with their descriptions."""
        found = []
        for tag, attributes in self.tags:
            if tag == 'img':
                head, data = attributes['src'].split(',', 1)
                assert re.fullmatch(r'data:image/(webp|jpeg|png);base64', head)
                image = Image.open(BytesIO(base64.b64decode(data, validate=True)))
                assert image.size == (int(attributes['width']), int(attributes['height']))
                found.append((attributes['alt'], image))
        return found


def one(tmp_path, noisy, denoised=None, name='a.png', **facts):
    path = tmp_path / 'page.html'
    write_gallery(path, [GalleryEntry(name, noisy, denoised or noisy, facts)], 'Title', overwrite=True)
    return Page(path)


def test_names_and_facts_are_shown_as_they_are(tmp_path):
    page = one(tmp_path, noise(8, 9), name=ODD_NAME, settings='a < b & "c"')
    texts = [text for _, text in page.texts]
    assert ODD_NAME in texts and 'a < b & "c"' in texts and '9 × 8, 8 bit' in texts
    assert [alt for alt, _ in page.images()] == [f'noisy: {ODD_NAME}', f'denoised: {ODD_NAME}']
    assert sum(tag == 'script' for tag, _ in page.tags) == 1


def test_what_no_page_can_hold_is_replaced(tmp_path):
    page = one(tmp_path, noise(8, 9), name='a\udcff\0b\n.png', size='my own')
    texts = [text for _, text in page.texts]
    assert 'a\ufffd\ufffdb\ufffd.png' in texts
    assert 'my own' in texts and '9 × 8, 8 bit' not in texts


def test_nothing_is_loaded_and_one_script_may_run(tmp_path):
    page = one(tmp_path, noise(400, 500))
    source = (tmp_path / 'page.html').read_text(encoding='utf-8')
    policy = next(tag[1]['content'] for tag in page.tags if tag[1].get('http-equiv') == 'Content-Security-Policy')
    assert policy.startswith("default-src 'none'; img-src data:; ") and "script-src 'sha256-" in policy
    loads = [value for _, attributes in page.tags for key, value in attributes.items() if key in ('src', 'href')]
    assert len(loads) == 6 and all(value.startswith(('data:', '#')) for value in loads)
    assert not re.search(r'@import|url\((?!"data:)|https?://(?!www\.w3\.org/2000/svg)', source)
    assert not any(key.startswith('on') for _, attributes in page.tags for key in attributes)


def test_large_images_are_shown_smaller_with_a_part_pixel_by_pixel(tmp_path):
    noisy = noise(900, 2000)
    noisy.pixels[:, :1500] = 7  # detail on the right only
    page = one(tmp_path, noisy, plain(900, 2000, (1, 2, 3)))
    whole, _, detail, denoised = (image for _, image in page.images())
    assert whole.size == (1600, 720) and detail.size == denoised.size == (320, 320)
    assert np.all(np.asarray(denoised) == (1, 2, 3))
    page = one(tmp_path, noisy, noisy)
    detail = np.asarray(page.images()[2][1])
    spot = next(attributes['style'] for tag, attributes in page.tags if attributes.get('class') == 'spot')
    left, top, width, height = (float(x) / 100 for x in re.findall(r'[\d.]+', spot))
    left, top = round(left * 2000), round(top * 900)
    assert (round(width * 2000), round(height * 900)) == (320, 320) and left >= 1500
    assert np.array_equal(detail, noisy.pixels[top : top + 320, left : left + 320])


@pytest.mark.parametrize('size', [(1, 1), (5000, 1), (1, 5000), (320, 320), (321, 320), (1601, 30)])
def test_images_of_any_shape(tmp_path, size):
    images = [image for _, image in one(tmp_path, noise(*size)).images()]
    assert len(images) == (2 if max(size) <= 320 else 4)
    assert images[-1].size == (min(size[1], 320), min(size[0], 320))
    assert max(images[0].size) == min(max(size), 1600)


@pytest.mark.parametrize('channels', [3, 1])
@pytest.mark.parametrize('alpha', [False, True])
def test_16_bit_become_8_and_colours_alpha_and_profile_are_kept(tmp_path, channels, alpha):
    icc = profile(channels)
    image = noise(330, 20, channels, np.uint16, icc=icc, alpha=alpha)
    page = one(tmp_path, image)
    assert '20 × 330, 16 bit' in [text for _, text in page.texts]
    whole, _, detail, _ = (shown for _, shown in page.images())
    mode = {(3, False): 'RGB', (3, True): 'RGBA', (1, False): 'L', (1, True): 'LA'}[channels, alpha]
    assert whole.info['icc_profile'] == detail.info['icc_profile'] == icc
    assert detail.mode == mode and whole.mode == mode
    expected = to_8_bit(image)
    every = expected.pixels if not alpha else np.dstack([expected.pixels, expected.alpha])
    found = np.asarray(detail).reshape(320, 20, -1)
    assert any(np.array_equal(found, every[top : top + 320]) for top in range(11))
    # Lossy, but of the right brightness, as far as WebP can hold such colours.
    off = np.asarray(whole).reshape(330, 20, -1).mean(axis=(0, 1)) - every.mean(axis=(0, 1))
    assert abs(off).max() < (12 if whole.format == 'WEBP' else 2)


def test_shrinking_keeps_invisible_colours_out(tmp_path):
    pixels, alpha = np.zeros((400, 3200, 3), np.uint8), np.zeros((400, 3200), np.uint8)
    pixels[...], alpha[:, ::2] = (0, 255, 0), 255
    pixels[:, ::2] = (200, 0, 0)
    whole = np.asarray(one(tmp_path, ImageData(pixels, alpha)).images()[0][1]).astype(int)
    middle = whole[100, 100:-100]
    assert abs(middle[:, 3] - 128).max() < 12 and middle[:, 0].min() > 150 and middle[:, 1].max() < 40


def test_the_part_with_the_most_detail():
    luma = np.zeros((60, 90))
    luma[41:49, 61:69] = np.indices((8, 8)).sum(axis=0) % 2
    top, left = most_detailed(luma, 12, 12)
    assert top <= 40 and top + 12 >= 49 and left <= 60 and left + 12 >= 69
    assert most_detailed(np.zeros((5, 1)), 5, 1) == (0, 0)


def test_only_one_image_is_in_memory(tmp_path):
    earlier = []
    with GalleryWriter(tmp_path / 'page.html', 'Title') as gallery:
        for seed in range(4):
            entry = GalleryEntry('a', noise(330, 1700, seed=seed), noise(330, 1700, dtype=np.uint16), {})
            gallery.add(entry)
            earlier += [weakref.ref(entry.noisy.pixels), weakref.ref(entry.denoised.pixels)]
            del entry
            assert not any(each() is not None for each in earlier)


def test_existing_files_are_refused_and_kept(tmp_path):
    path = tmp_path / 'page.html'
    path.write_text('mine')
    with pytest.raises(GalleryError, match=r'page\.html: exists already; --overwrite replaces it'):
        write_gallery(path, [], 'Title')
    assert path.read_text() == 'mine'
    write_gallery(path, [], 'Title', overwrite=True)  # a page without images is of no use
    assert path.read_text() == 'mine' and list(tmp_path.iterdir()) == [path]
    write_gallery(path, [GalleryEntry('a', noise(4, 4), noise(4, 4), {})], 'Title', overwrite=True)
    assert '1 image' in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_made_meanwhile_is_kept(tmp_path):
    path = tmp_path / 'page.html'
    with pytest.raises(GalleryError, match='exists already'), GalleryWriter(path, 'Title') as gallery:
        gallery.add(GalleryEntry('a', noise(4, 4), noise(4, 4), {}))
        path.write_text('mine')
    assert path.read_text() == 'mine' and list(tmp_path.iterdir()) == [path]


def test_after_an_error_nothing_is_left(tmp_path):
    with pytest.raises(KeyboardInterrupt), GalleryWriter(tmp_path / 'page.html', 'Title') as gallery:
        gallery.add(GalleryEntry('a', noise(4, 4), noise(4, 4), {}))
        assert not (tmp_path / 'page.html').exists()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_mistakes_are_explained(tmp_path):
    (tmp_path / 'folder.html').mkdir()
    for name, message in [
        ('page.png', r'page\.png: the name of a gallery must end in \.html'),
        ('none/page.html', r'page\.html: cannot be written: No such file or directory'),
        ('folder.html', r'folder\.html: this is a folder'),
    ]:
        with pytest.raises(GalleryError, match=message):
            write_gallery(tmp_path / name, [], 'Title')
    with pytest.raises(ValueError, match=r'a: the denoised image is 5×4, the noisy one 4×4'):
        one(tmp_path, noise(4, 4), noise(4, 5), name='a')
    with pytest.raises(ValueError, match='within the with block'):
        GalleryWriter(tmp_path / 'page.html', 'Title').add(GalleryEntry('a', noise(4, 4), noise(4, 4), {}))


def test_failed_images_are_listed_and_labels_differ(tmp_path):
    with GalleryWriter(tmp_path / 'page.html', 'Title') as gallery:
        gallery.add(GalleryEntry('a', noise(400, 400), noise(400, 400), {}))
        gallery.add_failure('<b>.png', 'it is damaged')
    page = Page(tmp_path / 'page.html')
    assert '<b>.png' in [text for _, text in page.texts] and ': it is damaged' in [text for _, text in page.texts]
    labels = [attributes['aria-label'] for tag, attributes in page.tags if tag == 'input' and 'value' in attributes]
    assert len(labels) == len(set(labels)) == 2
