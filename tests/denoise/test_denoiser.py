"""`Denoiser`: any kind of image in, the same kind out; the same result as the scheme itself, tiled or not."""

import subprocess
import sys
from typing import ClassVar

import numpy as np
import PIL.Image
import pytest
import torch
from skimage import data
from torch import nn

from amsnet_basicsr import Denoiser
from amsnet_basicsr.archs import DnCNN, NAFNet
from amsnet_basicsr.denoise import pixels, tiled_network
from amsnet_basicsr.denoise.denoiser import DenoiseError
from amsnet_basicsr.denoise.load_model import ModelError
from amsnet_basicsr.options.blocks import DenoiserScheme
from amsnet_basicsr.scheme import R3, AsymmetricMaskDenoiser, PartitionAverage


@pytest.fixture(scope='module')
def net() -> nn.Module:
    torch.manual_seed(0)
    return DnCNN(nc=8, nb=4, act_mode='R').eval()


class Brighten(nn.Module):
    """Adds a tenth: results can be computed by hand."""

    size_multiple = 1

    def forward(self, x):
        return x + 0.1


PLAIN = DenoiserScheme('plain')


def plain(net: nn.Module = None, **settings) -> Denoiser:
    return Denoiser(net or Brighten(), PLAIN, **settings)


REFINEMENTS = [None, R3(3), PartitionAverage(3)]


@pytest.mark.parametrize('branches', [2, 3])
@pytest.mark.parametrize('refine', REFINEMENTS, ids=str)
def test_masks_are_those_of_the_scheme_and_of_the_whole_image_in_tiles(net, refine, branches):
    x = torch.rand(1, 3, 205, 150)
    expected = AsymmetricMaskDenoiser(net, branches=branches, refine=refine, seed=3)(x).clamp(0, 1)
    scheme = DenoiserScheme(branches=branches, refine=refine)
    assert Denoiser(net, scheme, seed=3, tile=0)(x).equal(expected)
    torch.testing.assert_close(Denoiser(net, scheme, seed=3, tile=96)(x), expected, atol=1e-4, rtol=0)
    assert not Denoiser(net, scheme, seed=4, tile=0)(x).equal(expected)


def test_masks_per_channel_in_tiles(net):
    x = torch.rand(1, 3, 130, 90)
    expected = AsymmetricMaskDenoiser(net, mask_per_channel=True)(x).clamp(0, 1)
    tiled = Denoiser(net, DenoiserScheme(mask_per_channel=True), tile=96)(x)
    torch.testing.assert_close(tiled, expected, atol=1e-4, rtol=0)


def test_global_attention_leaves_no_seam():
    torch.manual_seed(1)
    net = NAFNet(width=8, middle_blk_num=1, enc_blk_nums=[1], dec_blk_nums=[1]).eval()
    for parameter in net.parameters():  # its blocks start as the identity
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
    image = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        whole = net(image)
    tiled = Denoiser(net, PLAIN, tile=192)(image)
    assert not torch.allclose(tiled, whole.clamp(0, 1), atol=1e-3)  # it does look at the whole image
    inside = 64 * torch.arange(1, 8)
    change = (tiled - image)[..., 1:] - (tiled - image)[..., :-1]
    jumps = change.abs().mean(dim=(0, 1, 2))
    # Regions start every 144 pixels and overlap by 48: their edges and blended strips lie in these columns.
    edges = torch.cat([start + torch.arange(48) for start in (144, 288)])
    assert jumps[edges].mean() < 1.25 * jumps.mean() and jumps[edges].max() < 2 * jumps[inside].max()


KINDS = {
    'uint8': lambda x: (x * 255).astype(np.uint8),
    'uint16': lambda x: (x * 65535).astype(np.uint16),
    'float16': lambda x: x.astype(np.float16),
    'float32': lambda x: x.astype(np.float32),
    'float64': lambda x: x,
}


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('shape', [(9, 7), (9, 7, 1), (9, 7, 3), (2, 9, 7, 3), (2, 9, 7, 1)])
def test_numpy_images_keep_shape_and_type(kind, shape):
    image = KINDS[kind](np.random.default_rng(0).random(shape))
    before = image.copy()
    out = plain()(image)
    most = np.iinfo(image.dtype).max if image.dtype.kind == 'u' else 1
    assert out.shape == shape and out.dtype == image.dtype and (image == before).all()
    expected = np.minimum(image.astype(np.float64) + 0.1 * most, most)
    assert np.abs(out.astype(np.float64) - expected).max() <= (0.51 if most > 1 else 1e-3)


def test_16_bit_has_no_step_of_8_bit_inside():
    ramp = np.arange(2**16, dtype=np.uint16).reshape(256, 256, 1)
    assert (plain(nn.Identity())(ramp) == ramp).all()


@pytest.mark.parametrize(('noise', 'bits'), [(5, 14), (30, 16)])
def test_noise_tells_a_dark_image_from_one_of_14_bits(noise, bits):
    image = np.random.default_rng(0).normal(128, noise, (60, 80, 1)) / 255 * (2**14 - 1)
    assert pixels.bits_in_use(image.clip(0, 2**14 - 1).astype(np.uint16)) == bits


@pytest.mark.parametrize('bits', [8, 10, 12, 14])
def test_uint16_of_fewer_bits_is_denoised_in_its_range(monkeypatch, bits):
    monkeypatch.setattr(pixels, 'MOST_NOISE_OF_14_BITS', 255)
    torch.manual_seed(0)
    denoise = Denoiser(nn.Conv2d(3, 3, 3, padding=1), PLAIN)
    full = np.random.default_rng(0).integers(0, 2**16, (2, 20, 30, 3), np.uint16)
    white = 2**bits - 1
    image = full.copy()
    image[0] = np.round(full[0] / 65535 * white)
    out = denoise(image)  # each image of a batch by itself
    assert np.abs(out[0] / white - denoise(full)[0] / 65535).max() < 1 / white
    assert np.array_equal(out[1], denoise(full[1])) and denoise.used_bits == 16
    assert np.array_equal(out[0], denoise(image[0])) and denoise.used_bits == bits
    assert not np.array_equal(out[0], denoise(image[0], bits=16))
    assert np.array_equal(image[0], denoise(image[0], strength=0))


@pytest.mark.parametrize('shape', [(3, 9, 7), (1, 9, 7), (2, 3, 9, 7), (2, 1, 9, 7)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16, torch.uint8])
def test_tensors_keep_shape_and_type(shape, dtype):
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    image = (255 * image).to(dtype) if dtype == torch.uint8 else image.to(dtype)
    out = plain()(image)
    assert out.shape == shape and out.dtype == dtype
    step = 25.5 if dtype == torch.uint8 else 0.1
    limit = 255 if dtype == torch.uint8 else 1
    assert ((image.double() + step).clamp(max=limit) - out.double()).abs().max() <= (0.51 if step > 1 else 1e-3)


def test_a_batch_gives_what_its_images_give_alone(net):
    images = np.random.default_rng(0).random((3, 40, 31, 3), np.float32)
    together = Denoiser(net)(images)
    assert all((Denoiser(net)(image) == out).all() for image, out in zip(images, together, strict=True))


@pytest.mark.parametrize('size', [(1, 1), (1, 500), (2, 3), (33, 1)])
@pytest.mark.parametrize('scheme', [PLAIN, DenoiserScheme(refine=R3(2))], ids=['plain', 'amsnet'])
def test_tiny_and_thin_images(size, scheme):
    net = NAFNet(width=4, middle_blk_num=1, enc_blk_nums=[1], dec_blk_nums=[1]).eval()
    image = np.full((*size, 3), 128, np.uint8)
    assert Denoiser(net, scheme, tile=64)(image).shape == image.shape


def test_strength_blends():
    image = np.full((4, 4, 3), 100, np.uint8)
    assert (plain()(image, strength=0) == image).all()
    assert (plain()(image, strength=0.5) == 113).all() and (plain()(image) == 126).all()  # 100 + 12.75, 100 + 25.5
    with pytest.raises(ValueError, match=r'strength must be from 0 to 1, or auto, got 1\.5'):
        plain()(image, strength=1.5)


def test_progress_ends_with_all_pixels(net):
    seen = []
    Denoiser(net, PLAIN, tile=64)(np.zeros((2, 150, 100, 3), np.uint8), progress=lambda *x: seen.append(x))
    assert seen == sorted(seen) and seen[-1] == (30000, 30000) and len(seen) > 4


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((4, 4, 5), np.uint8), 'an array must be'),
        (np.zeros((4, 4, 3), np.int32), 'uint8, uint16 or floating point'),
        (np.zeros((0, 4, 3), np.uint8), 'no pixels'),
        (torch.zeros(4, 4), 'a tensor must be'),
        (torch.zeros(3, 4, 4, dtype=torch.int64), 'floating point in'),
        ([[1]], 'a tensor or a PIL image, got list'),
        (PIL.Image.new('I', (4, 4), 30000), 'PIL image of mode I has no known range'),
        (PIL.Image.new('F', (4, 4), 0.5), 'PIL image of mode F has no known range'),
    ],
)
def test_other_images_are_refused(image, message):
    with pytest.raises(ValueError, match=message):
        plain()(image)


def test_nan_never_becomes_black():
    class Broken(Brighten):
        def forward(self, x):
            return x / 0 * 0

    with pytest.raises(DenoiseError, match='NaN'):
        plain(Broken())(np.ones((4, 4, 3), np.uint8))


class Hungry(Brighten):
    """Runs out of memory, for real, on images above a size."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.sizes = most, []

    def forward(self, x):
        self.sizes.append(x.shape[-2] * x.shape[-1])
        if self.sizes[-1] > self.most:
            torch.empty(2**50, dtype=torch.uint8)
        return super().forward(x)


def test_out_of_memory_halves_the_tile_and_says_so():
    notices, hungry = [], Hungry(160**2)
    denoiser = plain(hungry, tile=600, on_notice=notices.append)
    image = np.full((700, 640, 3), 50, np.uint8)
    assert (np.abs(denoiser(image) - 75.5) == 0.5).all()
    assert notices == [f'out of memory: going on with tiles of {size} pixels' for size in (300, 150)]
    assert max(hungry.sizes[3:]) <= 160**2  # after a trial, and two tiles that were too large
    denoiser(image)
    assert len(notices) == 2  # the size is kept for the next image


def test_out_of_memory_with_the_smallest_tile_is_an_error():
    with pytest.raises(DenoiseError, match='out of memory, even with tiles of 128 pixels'):
        plain(Hungry(100), tile=256)(np.zeros((300, 300, 3), np.uint8))


def test_other_errors_of_a_network_are_not_taken_for_memory():
    with pytest.raises(RuntimeError, match='size of tensor'):
        plain(type('Wrong', (Brighten,), {'forward': lambda self, x: x + torch.zeros(7)})())(np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize('precision', ['bfloat16', 'float16'])
def test_half_precision_comes_near(net, precision):
    x = torch.rand(1, 3, 40, 40)
    out = Denoiser(net, PLAIN, precision=precision)(x)
    assert out.dtype == torch.float32
    assert 0 < (out - Denoiser(net, PLAIN)(x)).abs().max() < 0.05


class Recording(Brighten):
    """Notes the precision of each pass and is off by `error` levels in bfloat16."""

    def __init__(self, error: float) -> None:
        super().__init__()
        self.error, self.seen = error, []

    def forward(self, x):
        rough = torch.is_autocast_enabled('cpu')
        self.seen.append('bfloat16' if rough else 'float32')
        return super().forward(x) + self.error / 255 if rough else super().forward(x)


LARGE = np.full((768, 768, 3), 100, np.uint8)


@pytest.mark.parametrize(
    ('error', 'image', 'in_hardware', 'expected'),
    [
        (1, LARGE, True, 'bfloat16'),
        (2, LARGE, True, 'float32'),
        (float('nan'), LARGE, True, 'float32'),
        (0, LARGE, False, 'float32'),
        (0, LARGE[:300], True, 'float32'),
        (0, LARGE.astype(np.uint16), True, 'float32'),
        (0, LARGE / np.float32(255), True, 'float32'),
    ],
    ids=['one level', 'two levels', 'NaN', 'old processor', 'small', '16 bit', 'float'],
)
def test_auto_takes_bfloat16_where_it_is_fast_and_within_one_level(monkeypatch, error, image, in_hardware, expected):
    monkeypatch.setattr(torch.cpu, '_is_avx512_bf16_supported', lambda: in_hardware, raising=False)
    net = Recording(error)
    denoiser = plain(net, precision='auto', device='cpu', tile=0)
    out = denoiser(image)
    assert denoiser.computed_in == net.seen[-1] == expected
    if image.dtype == np.uint8:
        assert (np.abs(out.astype(int) - 126) <= 1).all()


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'tile': -1}, 'tile must be'),
        ({'tile': 'big'}, 'tile must be'),
        ({'precision': 'int8'}, 'precision must be one of'),
        ({'device': 'cuda:9'}, 'device cuda:9 cannot be used'),
        ({'device': 'abacus'}, 'device abacus cannot be used'),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        plain(**settings)


def test_a_network_that_changes_the_size_is_refused():
    with pytest.raises(ModelError, match='does not return images in the size they came in'):
        Denoiser(nn.Upsample(scale_factor=2))


def test_importing_it_leaves_basicsr_alone():
    code = (
        'import sys; from amsnet_basicsr import Denoiser; import amsnet_basicsr.denoise.command.arguments; '
        "print([name for name in ('basicsr', 'torchvision', 'cv2', 'scipy', 'skimage') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


@pytest.mark.parametrize('tile', [1, 16, 20])
@pytest.mark.parametrize('scheme', [PLAIN, DenoiserScheme()], ids=['plain', 'amsnet'])
def test_tiles_too_small_for_the_networks_grid_are_enlarged(tile, scheme):
    net = NAFNet(width=4, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]).eval()
    assert Denoiser(net, scheme, tile=tile)(np.full((70, 50, 3), 90, np.uint8)).shape == (70, 50, 3)


@pytest.mark.parametrize('kind', [np.asarray, torch.from_numpy])
def test_floating_point_that_is_no_image_in_0_to_1_is_refused(kind):
    image = np.random.default_rng(0).random((3, 9, 3), np.float32)
    with pytest.raises(ValueError, match=r'must be in \[0, 1\], got values from .* to 2'):
        plain()(kind(255 * image))
    image[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match='the image holds NaN'):
        plain()(kind(image))


@pytest.mark.filterwarnings('error')
def test_read_only_arrays_are_taken_without_a_warning():
    image = np.zeros((4, 4, 3), np.uint8)
    image.flags.writeable = False
    assert (plain()(image) == 26).all()


@pytest.mark.parametrize('refine', REFINEMENTS, ids=str)
def test_a_pass_of_the_masks_takes_no_more_pixels_than_a_tile(refine):
    class Counting(Brighten):
        most = 0

        def forward(self, x):
            Counting.most = max(Counting.most, x.shape[0] * x.shape[2] * x.shape[3])
            return super().forward(x)

    Denoiser(Counting(), DenoiserScheme(refine=refine), tile=64)(np.zeros((200, 150, 3), np.uint8))
    assert 0 < Counting.most <= 64**2


@pytest.mark.parametrize('refine', REFINEMENTS, ids=str)
def test_a_pass_fits_into_the_memory_that_is_free(refine, monkeypatch):
    """Tiles are larger than a pass where a pass holds a sub-image; the pass must fit all the same."""

    class Counting(Brighten):
        passes: ClassVar[list[int]] = []

        def forward(self, x):
            Counting.passes.append(x.shape[0] * x.shape[2] * x.shape[3])
            return super().forward(x)

    Counting.passes.clear()
    affordable = 200**2
    denoiser = Denoiser(Counting(), DenoiserScheme(refine=refine), device='cpu')
    asked = []
    monkeypatch.setattr(tiled_network, 'memory_budget', lambda device: asked.append(1) or 1000 * affordable)
    monkeypatch.setattr(tiled_network, 'bytes_per_pixel', lambda *network: 1000)
    for _ in range(2):
        denoiser(np.zeros((700, 500, 3), np.uint8))
    assert max(Counting.passes) <= affordable
    assert denoiser._network.tile == (192 if isinstance(refine, R3) else 384)
    assert len(asked) == 1  # what an earlier image has left in the process doesn't count


def test_grey_in_three_channels_stays_grey():
    torch.manual_seed(0)
    denoise = Denoiser(nn.Conv2d(3, 3, 3, padding=1), PLAIN)
    image = np.random.default_rng(0).integers(0, 256, (40, 30, 1), np.uint8)
    out = denoise(image.repeat(3, 2))
    assert np.array_equal(out, denoise(image).repeat(3, 2))


@pytest.mark.parametrize('mode', ['L', 'LA', 'RGB', 'RGBA', 'P', '1', 'I;16'])
def test_pil_images_come_back_as_such(mode):
    torch.manual_seed(0)
    denoise = Denoiser(nn.Conv2d(3, 3, 3, padding=1), PLAIN)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    image = PIL.Image.fromarray(pixels)
    image = PIL.Image.fromarray(pixels[..., 0].astype(np.uint16) * 257) if mode == 'I;16' else image.convert(mode)
    image.info['dpi'] = (300, 300)
    out = denoise(image)
    assert out.mode == {'P': 'RGB', '1': 'L'}.get(mode, mode) and out.size == (30, 20) and out.info['dpi'] == (300, 300)
    if mode == 'RGBA':
        assert np.array_equal(np.asarray(out)[..., :3], denoise(pixels[..., :3]))
        assert np.array_equal(np.asarray(out), denoise(pixels)) and np.array_equal(
            np.asarray(out)[..., 3], pixels[..., 3]
        )
