"""Options files that went wrong in any way end in our own words, never in a traceback; AMSNET_FUZZ says how many."""

import contextlib
import copy
import io
import json
import random
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amsnet_basicsr.options.complete import complete_options
from amsnet_basicsr.options.force_yml import apply_force_yml, parse_value
from amsnet_basicsr.options.reader import read_options
from tests.conftest import REPOSITORY, noisy_image
from tests.fuzz.settings import examples, is_long
from tests.options.checks.test_run import sr_options
from tests.pipeline.options import some_weights, test_options, train_options

QUICK = 300
TEXTS = [path.read_text() for path in sorted((REPOSITORY / 'options').rglob('*.yml'))]
#: What is put in the place of a value or of a piece of text.
VALUES = [
    None, True, False, -1, 0, 1, 2, 3, 7, 40, 64, 10_001, 10**6, 2**31, 2**53, 0.0, 0.5, -0.5, 1.0, 2.0, 1e300,
    float('inf'), float('-inf'), float('nan'), '', ' ', 'x', 'none', 'auto', '1e-4', '5', 'R3', 'NAFNet', 'DnCNN',
    'EDSR', 'SwinIR', 'SRModel', 'AMSNetModel', 'APBSNModel', 'ESRGANModel', 'NoisyImageDataset', 'CameraNoiseDataset',
    'PairedImageDataset', 'SingleImageDataset', 'PairedPhotosDataset', 'calculate_psnr', 'calculate_niqe',
    'calculate_mask_l1', 'L1Loss', 'MaskL1Loss', 'PerceptualLoss', 'MultiStepLR', 'SGD', 'lmdb', 'disk', 'noisy',
    'w.pth', 'ä\u202e\U0001f600', 'a' * 300, '%s{}{0}{x}', [], [1], [[]], [None], ['x', 2], [1, 1], [0],
    [float('nan')], [True], {}, {'type': 'x'}, {'type': None}, {'type': ['x']}, {'type': {'a': 1}},
    {'a': {'b': {'c': 1}}}, {'type': 'R3'}, {'size': 8, 'overlap': 'x'},
]  # fmt: skip
SNIPPETS = [
    '!!python/object/apply:os.system ["x"]', '!!python/name:os.system', '&a ', '*a', '<<: *a', '<<', '{', '}', '[',
    ']', '\t', '\n', ': ', '- ', '? ', '!!int x', '!!float', '!!binary x', '!!set {a}', '---\n', '...\n',
    '%YAML 1.1\n', '|', '>', '#', '"', "'", '"\\ud800"', '"\\0"', '0b_', '0x' + 'f' * 5000, '9' * 5000, '1:99',
    '2024-13-01', '2024-01-01', '=', '~', '\ufeff', '\x85', '\u2028', 'a: &a [*a]\n', '  ' * 50,
]  # fmt: skip

if is_long():
    pytestmark = pytest.mark.timeout(0)
fuzz = settings(
    max_examples=examples(QUICK),
    derandomize=not is_long(),
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with images, weights, and an LMDB that is none, where the fuzzed options look for them."""
    root = tmp_path_factory.mktemp('fuzz')
    (root / 'noisy').mkdir()
    for number in range(2):
        cv2.imwrite(str(root / 'noisy' / f'{number}.png'), noisy_image(64, 72, number))
    some_weights(root / 'w.pth')
    (root / 'list.txt').write_text('0.png (64,72,3) 1\n1.png\n')
    (root / 'bad.lmdb').mkdir()
    (root / 'bad.lmdb' / 'meta_info.txt').write_text('0.png (64,72,3) 1\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield root


@st.composite
def damaged_texts(draw: st.DrawFn) -> bytes:
    """A real options file with some damage, or text or bytes that never were one."""
    kind = draw(st.integers(0, 19))
    if kind == 0:
        return draw(st.binary(max_size=300))
    if kind == 1:
        return draw(st.text(max_size=300)).encode('utf-8', 'surrogatepass')
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(text)))
        action = draw(st.integers(0, 4))
        if action == 0:
            text = text[:place] + draw(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=8))) + text[place:]
        elif action == 1:
            text = text[:place] + text[place + draw(st.integers(1, 80)) :]
        else:  # a line: doubled, lost, with another value or indented otherwise
            lines = text.split('\n')
            number = draw(st.integers(0, len(lines) - 1))
            key = lines[number].partition(':')[0]
            other = draw(st.sampled_from(SNIPPETS))
            choice = draw(st.sampled_from([[lines[number]] * 2, [], [f'{key}: {other}'], [f'  {lines[number]}']]))
            text = '\n'.join([*lines[:number], *choice, *lines[number + 1 :]])
    return text.encode('utf-8', 'surrogatepass')


@fuzz
@given(content=damaged_texts())
def test_reader(folder: Path, content: bytes) -> None:
    path = folder / 'fuzzed.yml'
    path.write_bytes(content)
    read_or_refused(path)


def read_or_refused(path: Path) -> dict[str, Any] | None:
    """Read a file; its values must be plain, its refusal must name it."""
    try:
        options = read_options(str(path))
    except ValueError as error:
        assert str(error).startswith(str(path)) and len(str(error)) < 2000, repr(error)
        return None
    assert json.loads(json.dumps(options)) == options or 'NaN' in json.dumps(options)
    json.dumps(options, ensure_ascii=False).encode()
    return options


KEYS = ['name', 'train', 'optim_g', 'lr', 'periods', 'scheduler', '0', '-1', '', 'val', '__class__', 'x', ' name ']


@fuzz
@given(
    keys=st.lists(st.sampled_from(KEYS) | st.text(max_size=4), min_size=1, max_size=4),
    value=st.sampled_from([*SNIPPETS, *map(str, VALUES)]) | st.text(max_size=30),
    joint=st.sampled_from(['=', '==', '', ' = ', ':=']),
)
def test_force_yml(keys: list[str], value: str, joint: str) -> None:
    options = {'name': 'a', 'val': None, 'train': {'optim_g': {'lr': 1}, 'scheduler': {'periods': [1, 2]}}}
    entry = ':'.join(keys) + joint + value
    before = copy.deepcopy(options)
    try:
        changed = apply_force_yml(options, [entry])
    except ValueError as error:
        assert str(error).startswith(f'--force_yml {entry}: ')
    else:
        json.dumps(changed, ensure_ascii=False).encode()
    assert options == before
    with contextlib.suppress(ValueError):
        json.dumps(parse_value(value), ensure_ascii=False).encode()


def places(options: Any, path: tuple = ()) -> list[tuple]:
    """All places in options, groups too."""
    inner: Any = (
        options.items() if isinstance(options, dict) else enumerate(options) if isinstance(options, list) else ()
    )
    return [place for key, value in inner for place in [(*path, key), *places(value, (*path, key))]]


def change(draw: Any, options: dict[str, Any]) -> None:
    """Replace, rename, remove, move or add one option."""
    found = places(options)
    if not found:
        return
    path = draw(st.sampled_from(found))
    group: Any = options
    for key in path[:-1]:
        group = group[key]
    action = draw(st.integers(0, 9))
    if action < 5:
        group[path[-1]] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    elif action == 5:
        del group[path[-1]]
    elif isinstance(group, dict):
        name = draw(
            st.sampled_from([str(place[-1]) for place in found]) | st.sampled_from(['x', 'val_2', 'test', '', '_'])
        )
        if action == 6:
            group[name] = group.pop(path[-1])
        elif action == 7:
            group[name] = copy.deepcopy(group[path[-1]])
        else:
            group[name] = copy.deepcopy(draw(st.sampled_from(VALUES)))


@st.composite
def damaged_options(draw: st.DrawFn, seeds: list[dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    options = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        change(draw, options)
    return options, draw(st.booleans()) if draw(st.integers(0, 9)) == 0 else 'train' in options


def seeds(folder: Path) -> list[dict[str, Any]]:
    """Options that pass, on a few images; those that ship among them, whose data isn't there."""
    lists = {'meta_info_file': str(folder / 'list.txt')}
    own = [
        train_options('noisy'), train_options('noisy', model_type='APBSNModel'), sr_options('noisy'),
        test_options('noisy', 'w.pth'), train_options('bad.lmdb'), train_options('noisy', scheme={'branches': 3}),
    ]  # fmt: skip
    own[1]['train']['pixel_opt'] = {'type': 'L1Loss'}
    del own[1]['train']['mask_opt']
    own[0]['val']['save_best'] = {'metric': 'mask_l1', 'dataset': 'held-out'}
    own[5]['datasets']['train'].update(lists)
    own[5].update(
        report={'refine': [None, {'type': 'R3'}]}, dist_params={'backend': 'nccl', 'port': 29500}, compile=True
    )
    own[5]['network_g'] = {'type': 'NAFNet', 'width': 8, 'enc_blk_nums': [1], 'dec_blk_nums': [1], 'middle_blk_num': 1}
    own[5]['train'].update(on_bad_loss='skip', amp='bf16', accumulate=2, checkpointing=True, grad_clip_norm=1)
    shipped = [yaml.safe_load(text.replace('!!python/name:', '')) for text in TEXTS]
    return own * 6 + shipped


def inspected(options: dict[str, Any], folder: Path, is_train: bool) -> tuple[list[str], list[str]]:
    """Check options as a command would; say nothing in between."""
    from amsnet_basicsr import plugin  # noqa: F401 (registers)
    from amsnet_basicsr.options.checks.run import check_all

    with contextlib.redirect_stdout(io.StringIO()):
        opt = complete_options(options, str(folder), is_train)
        return check_all(options, opt)[:2]


def test_preflight(folder: Path) -> None:
    @fuzz
    @given(drawn=damaged_options(seeds(folder)))
    def try_one(drawn: tuple[dict[str, Any], bool]) -> None:
        options, is_train = drawn
        path = folder / 'fuzzed.yml'
        path.write_text(yaml.safe_dump(options, sort_keys=False, allow_unicode=True), encoding='utf-8')
        read = read_or_refused(path)
        if read is None:
            return
        state = random.getstate()
        problems, notes = inspected(read, folder, is_train)
        assert all(isinstance(said, str) and len(said) < 3000 for said in problems + notes)
        assert random.getstate() == state

    assert inspected(seeds(folder)[0], folder, True)[0] == []  # undamaged it passes: not everything is refused
    try_one()
    assert sorted(path.name for path in folder.iterdir()) == ['bad.lmdb', 'fuzzed.yml', 'list.txt', 'noisy', 'w.pth']
