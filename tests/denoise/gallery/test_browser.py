"""The gallery in a real browser: the line moves, and nothing is loaded or goes wrong."""

import shutil
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from amsnet_basicsr.denoise.gallery.writer import GalleryEntry, GalleryWriter
from amsnet_basicsr.images import ImageData
from tests.denoise.gallery.gallery_images import ODD_NAME, noise, plain, write_gallery

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')
RED, BLUE = (220, 30, 30), (30, 30, 220)


@pytest.fixture(scope='module')
def browser():
    playwright = pytest.importorskip(
        'playwright.sync_api', reason='playwright is not installed: pip install playwright'
    )
    executable = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if executable is None:
        pytest.skip('there is no Chromium: install the package chromium')
    with playwright.sync_playwright() as starter:
        # Without its sandbox, which needs rights that containers don't give; the page is our own.
        browser = starter.chromium.launch(executable_path=executable, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture(scope='module')
def gallery(tmp_path_factory):
    """A page: a red image that becomes blue, a small one, one pixel, strips."""
    path = tmp_path_factory.mktemp('gallery') / 'page.html'
    checks = np.full((24, 24, 3), RED, np.uint8)
    checks[np.indices((24, 24)).sum(axis=0) % 2 == 0] = (250, 250, 250)
    entries = [
        GalleryEntry(ODD_NAME, plain(500, 700, RED), plain(500, 700, BLUE), {'seconds': '1.5'}),
        GalleryEntry('small', ImageData(checks), plain(24, 24, BLUE), {}),
        *(GalleryEntry(f'{size}', noise(*size), noise(*size), {}) for size in ((1, 1), (1, 5000), (5000, 1))),
        GalleryEntry('long_' * 60, noise(330, 330, 1), noise(330, 330, 1), {'long_' * 60: 'long_' * 60}),
    ]
    write_gallery(path, entries, 'Before & <after>')
    return path


@pytest.fixture(scope='module')
def long_gallery(tmp_path_factory):
    """A page of ten images and two that failed."""
    path = tmp_path_factory.mktemp('gallery') / 'long.html'
    with GalleryWriter(path, 'Many') as writer:
        for number in range(10):
            name = f'/photos/{"night" if number % 5 else "day"}/{number}.png'
            writer.add(GalleryEntry(name, plain(400, 400, RED), plain(400, 400, BLUE), {}))
        writer.add_failure('/photos/a.png', '/photos/a.png: the file is empty')
        writer.add_failure('/photos/b.png', 'out of memory')
    return path


@pytest.fixture
def open_page(browser, gallery):
    """Open a page; what the browser complains of or asks for is found at the end."""
    complaints, contexts = [], []

    def open_(path=gallery, **settings):
        context = browser.new_context(**{'viewport': {'width': 1200, 'height': 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.on('console', lambda message: complaints.append(message.text))
        page.on('pageerror', lambda error: complaints.append(str(error)))
        page.on('request', lambda request: complaints.append(request.url) if not local(request.url) else None)
        page.goto(path.as_uri())
        return page

    def local(url):
        return url.startswith(('file:', 'data:'))

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def colour_at(page, stage, across, down=0.3):
    """The colour that is seen at a place of an image, given as shares of its width and height."""
    image = Image.open(BytesIO(stage.screenshot())).convert('RGB')
    return np.array(image.getpixel((int(across * (image.width - 1)), int(down * (image.height - 1)))))


def is_noisy(page, stage, across):
    colour = colour_at(page, stage, across)
    distances = [abs(colour - shown).max() for shown in (RED, BLUE)]
    assert min(distances) < 30, colour
    return bool(distances[0] < distances[1])


def seen(page, stage):
    """What is seen at a tenth, at 0.35, 0.65 and nine tenths of the width: whether it is the noisy image."""
    return [is_noisy(page, stage, across) for across in (0.1, 0.35, 0.65, 0.9)]


def test_dragging_the_line_changes_what_is_shown(open_page):
    page = open_page()
    whole, detail = page.locator('figure').first.locator('.stage').all()
    assert seen(page, whole) == seen(page, detail) == [True, True, False, False]
    box = whole.bounding_box()
    x, y = box['x'], box['y'] + 0.8 * box['height']
    page.mouse.move(x + 0.5 * box['width'], y)
    page.mouse.down()
    page.mouse.move(x + 0.8 * box['width'], y, steps=3)
    assert seen(page, whole) == seen(page, detail) == [True, True, True, False]
    page.mouse.move(x + 0.2 * box['width'], y, steps=3)
    page.mouse.move(x - 400, y)  # far outside, the line stays at the border
    assert seen(page, whole) == [False] * 4
    page.mouse.move(x + 0.2 * box['width'], y)
    page.mouse.up()
    page.mouse.move(x + 0.9 * box['width'], y)  # let go: nothing follows any more
    assert seen(page, whole) == seen(page, detail) == [True, False, False, False]
    # The other images have stayed.
    assert page.locator('figure').nth(1).locator('input').input_value() == '50'


def test_the_line_moves_by_keys(open_page):
    page = open_page()
    stage = page.locator('.stage').first
    page.keyboard.press('Tab')
    assert page.evaluate('document.activeElement.type') == 'range'
    assert ODD_NAME in page.evaluate('document.activeElement.getAttribute("aria-label")')
    for key, expected in (('End', [True] * 4), ('Home', [False] * 4)):
        page.keyboard.press(key)
        assert seen(page, stage) == expected
    for _ in range(20):
        page.keyboard.press('ArrowRight')
    assert seen(page, stage) == [True, False, False, False]
    assert stage.locator('input').get_attribute('aria-valuetext') == '20 % noisy'


def test_a_finger_moves_the_line_on_a_phone(open_page):
    page = open_page(viewport={'width': 360, 'height': 740}, has_touch=True, is_mobile=True)
    stage = page.locator('.stage').first
    box = stage.bounding_box()
    page.touchscreen.tap(box['x'] + 0.8 * box['width'], box['y'] + 0.8 * box['height'])
    assert seen(page, stage) == [True, True, True, False]
    # The page fits the screen, with long names and strips on it.
    assert page.evaluate('document.documentElement.scrollWidth') == 360


def test_a_finger_that_scrolls_leaves_the_line_where_it_is(open_page):
    page = open_page(viewport={'width': 360, 'height': 740}, has_touch=True, is_mobile=True)
    box = page.locator('.stage').first.bounding_box()
    touches = page.context.new_cdp_session(page)

    def swipe(right, down):
        x, y = box['x'] + 0.7 * box['width'], box['y'] + 0.8 * box['height']
        touches.send('Input.dispatchTouchEvent', {'type': 'touchStart', 'touchPoints': [{'x': x, 'y': y}]})
        for share in (0.25, 0.5, 0.75, 1):
            points = [{'x': x + share * right, 'y': y + share * down}]
            touches.send('Input.dispatchTouchEvent', {'type': 'touchMove', 'touchPoints': points})
        touches.send('Input.dispatchTouchEvent', {'type': 'touchEnd', 'touchPoints': []})

    line = page.locator('input[type=range]').first
    swipe(-0.4 * box['width'], 5)
    assert float(line.input_value()) == pytest.approx(30, abs=1)
    swipe(2, -150)
    page.wait_for_function('window.scrollY > 0')  # which the browser does in its own time
    assert float(line.input_value()) == pytest.approx(30, abs=1)


def test_details_are_enlarged_pixel_by_pixel(open_page):
    page = open_page()
    figure = page.locator('figure').nth(1)
    stage = figure.locator('.stage')
    stage.locator('input').press('End')

    def width_of_a_pixel():
        row = np.asarray(Image.open(BytesIO(stage.screenshot())).convert('RGB'))[-20, :, 1].astype(int)
        assert {value for value in np.unique(row[5:-5]) if 60 < value < 220} == set()  # sharp: no shade in between
        edges = np.flatnonzero(abs(np.diff(row)) > 100)
        return float(np.median(np.diff(edges)))

    assert [button.inner_text() for button in figure.locator('button').all()] == ['13:1', '26:1', '52:1']
    assert width_of_a_pixel() == 13
    figure.get_by_role('button', name='26:1').click()
    assert width_of_a_pixel() == 26
    assert figure.locator('button[aria-pressed=true]').inner_text() == '26:1'


def test_an_enlarged_detail_moves_when_dragged_beside_the_line_and_its_frame_with_it(open_page):
    page = open_page()
    figure = page.locator('figure').first
    stage, spot = figure.locator('.detail .stage'), figure.locator('.spot')

    def middle(locator):
        box = locator.bounding_box()
        return np.array([box['x'] + box['width'] / 2, box['y'] + box['height'] / 2]), box['width']

    def drag(start, right, down):
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(start[0] + right, start[1] + down, steps=3)
        page.mouse.up()

    frame, width = middle(spot)
    figure.get_by_role('button', name='4:1').click()
    enlarged, quarter = middle(spot)
    assert quarter == pytest.approx(width / 4, abs=1) and enlarged == pytest.approx(frame, abs=1)
    centre, _ = middle(stage)
    beside = centre[0] + 100, centre[1] + 30
    drag(beside, -80, 40)
    moved, _ = middle(spot)
    assert moved - enlarged == pytest.approx([20, -10], abs=1)  # as the image moves left
    assert figure.locator('input').first.input_value() == '50'
    drag(beside, -5000, 0)  # no further than its border
    assert middle(spot)[0][0] == pytest.approx(frame[0] + width / 2 - width / 8, abs=1)
    drag(centre, 80, 0)
    assert figure.locator('input').first.input_value() == '75'
    figure.get_by_role('button', name='1:1').click()
    assert middle(spot)[0] == pytest.approx(frame, abs=1)


def test_f_shows_the_noisy_image_while_it_is_held(open_page):
    page = open_page()
    stage = page.locator('.stage').first
    page.keyboard.down('f')
    assert seen(page, stage) == [True] * 4
    page.keyboard.up('f')
    assert seen(page, stage) == [False] * 4
    page.locator('figure').nth(1).hover()
    page.keyboard.down('F')
    assert page.locator('figure').nth(1).locator('input').input_value() == '100'
    assert seen(page, stage) == [False] * 4


def test_long_pages_have_an_index_a_search_and_keys_to_jump(open_page, long_gallery):
    page = open_page(long_gallery)
    entries = page.locator('nav li')
    assert entries.all_inner_texts()[:2] == ['day/0.png', 'night/1.png']
    assert entries.last.inner_text() == 'Not denoised: 2'
    assert page.locator('.failed li').all_inner_texts() == [
        '/photos/a.png: the file is empty',
        '/photos/b.png: out of memory',
    ]

    def first_in_view():
        return page.evaluate(
            'figures.findIndex((figure) => !figure.hidden && figure.getBoundingClientRect().bottom > 40)'
        )

    page.get_by_role('link', name='night/6.png').click()
    assert first_in_view() == 6
    for key, expected in (('n', 7), ('n', 8), ('p', 7)):
        page.keyboard.press(key)
        assert first_in_view() == expected
    page.get_by_role('link', name='Index').click()
    page.get_by_role('searchbox').fill('DAY')
    assert page.locator('figure:visible').count() == 2 and page.locator('nav output').inner_text() == '2 of 10'
    assert entries.locator('visible=true').all_inner_texts() == ['day/0.png', 'day/5.png', 'Not denoised: 2']
    page.get_by_role('searchbox').fill('nfp')  # letters there are no keys
    assert page.locator('figure:visible').count() == 0


def test_the_way_back_to_the_index_lies_above_the_images(open_page, long_gallery):
    page = open_page(long_gallery, viewport={'width': 390, 'height': 844}, has_touch=True, is_mobile=True)
    back, stage = page.locator('.back'), page.locator('.stage').nth(4)
    box = back.bounding_box()
    stage.evaluate(
        '(stage, y) => window.scrollBy(0, stage.getBoundingClientRect().top + stage.offsetHeight / 2 - y)', box['y']
    )
    x, y = box['x'] + box['width'] / 4, box['y'] + box['height'] / 2
    area = stage.bounding_box()
    assert area['x'] < x < area['x'] + area['width'] and area['y'] < y < area['y'] + area['height']
    assert page.evaluate('([x, y]) => document.elementFromPoint(x, y).className', [x, y]) == 'back'
    page.touchscreen.tap(x, y)
    page.wait_for_url('**#top')
    assert page.evaluate('window.scrollY') < 100


def test_short_pages_have_no_index(open_page):
    assert not open_page().locator('nav').is_visible()


def test_names_are_text_and_images_are_whole(open_page):
    page = open_page()
    assert page.title() == 'Before & <after>'
    assert page.locator('h2').first.inner_text() == ODD_NAME
    assert page.evaluate('[...document.images].every((image) => image.complete && image.naturalWidth > 0)')
    assert page.evaluate('document.images.length') == 20


@pytest.mark.parametrize(('scheme', 'dark'), [('light', False), ('dark', True)])
def test_light_and_dark(open_page, scheme, dark):
    page = open_page(color_scheme=scheme)
    image = np.asarray(Image.open(BytesIO(page.screenshot())).convert('L'))
    assert (image[3, 3] < 60) == dark and (image[3, 3] > 200) != dark
