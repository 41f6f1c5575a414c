"""Fuzz what reads weights: the converter's `read_denoiser`, and `load_model` of the command."""

import io
import json
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from hypothesis import strategies as st
from safetensors.torch import save

from amsnet_basicsr.convert import WeightsError, read_denoiser
from amsnet_basicsr.denoise.load_model import ModelError, load_model
from tests.convert.networks import TINY, tiny
from tests.fuzz.in_a_child import fuzz
from tests.fuzz.mutations import damaged

NAMES = ('DnCNN', 'NAFNet', 'UNet', 'DBSNl')
_SCHEME = {'type': 'amsnet', 'stride': 2, 'branches': 2}


@cache
def weights(name: str) -> Mapping[str, torch.Tensor]:
    """Make weights of a small network, once."""
    return MappingProxyType(dict(tiny(name).state_dict()))


def to_pth(data: object, **settings: bool) -> bytes:
    """Encode as torch.save does."""
    buffer = io.BytesIO()
    torch.save(data, buffer, **settings)
    return buffer.getvalue()


def to_safetensors(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Encode as safetensors does."""
    return save({name: value.contiguous() for name, value in tensors.items()}, metadata)


@cache
def seeds() -> tuple[list[bytes], list[bytes]]:
    """Make valid files, of PyTorch and safetensors."""
    net = dict(weights('DnCNN'))
    pth = [
        to_pth({'params': net}),
        to_pth(OrderedDict(net)),
        to_pth({'state_dict': {f'net.dn.branches.0.{key}': value for key, value in net.items()}, 'epoch': 3}),
        to_pth({'params': net}, _use_new_zipfile_serialization=False),
        to_pth({'params': dict(weights('DBSNl'))}),
    ]
    metadata = {'arch': 'DnCNN', 'hyper_parameters': json.dumps(TINY['DnCNN']), 'scheme': json.dumps(_SCHEME)}
    return pth, [to_safetensors(net), to_safetensors(net, metadata), to_safetensors(weights('NAFNet'))]


@st.composite
def damaged_pickles(draw: st.DrawFn, files: list[bytes]) -> bytes:
    """Draw a zip file of PyTorch whose pickle alone is damaged, so that damage gets past the zip reader."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(draw(st.sampled_from(files)))) as old,
        zipfile.ZipFile(out, 'w') as new,
    ):
        pickles = [old.read(name) for name in old.namelist() if name.endswith('data.pkl')]
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, draw(damaged(pickles)) if name.endswith('data.pkl') else content)
    return out.getvalue()


_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**70), st.floats(), st.text(max_size=8), st.binary(max_size=8)
)
_dtypes = st.sampled_from(
    [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool,
     torch.complex64, torch.float8_e4m3fn]
)  # fmt: skip


@st.composite
def odd_tensors(draw: st.DrawFn) -> torch.Tensor:
    """Draw a tensor that no network has: without dimensions or values, of an odd type, endless, NaN."""
    kind = draw(st.integers(0, 6))
    dtype = draw(_dtypes)
    if kind == 0:
        return torch.tensor(draw(st.integers(0, 1))).to(dtype)
    if kind == 1:
        return torch.zeros(draw(st.lists(st.integers(0, 4), max_size=5))).to(dtype)
    if kind == 2:  # a thousand million values that are one
        shape = draw(st.lists(st.sampled_from([1, 3, 10**3, 10**5, 10**9]), max_size=2))
        return torch.zeros(()).to(dtype).expand(shape)
    if kind == 3:
        return torch.full((2, 3), draw(st.sampled_from([float('nan'), float('inf'), -1.0])))
    if kind == 4:
        return torch.zeros(2, 3, 3, 3).to_sparse()
    if kind == 5:
        return torch.zeros(8, 3, 3, 3, device='meta')
    return torch.quantize_per_tensor(torch.zeros(2, 3), 0.1, 0, torch.qint8)


def _spoil(draw: st.DrawFn, net: dict[Any, Any], name: str) -> None:
    """Change one weight of a network, or put something beside it."""
    action, value = draw(st.integers(0, 8)), net.get(name)
    if action == 0:
        net.pop(name, None)
    elif action == 1:
        net[name] = draw(odd_tensors())
    elif action == 2:
        net[draw(st.one_of(st.integers(), st.none(), st.text(), st.tuples(st.integers())))] = draw(odd_tensors())
    elif action == 3:
        net[name] = draw(_scalars)
    elif action == 4:
        ending = draw(st.sampled_from(['.weight', '9999999.0.weight', '\n', '\x1b[31m', 'x' * 5000]))
        net[name + ending] = value
    elif not isinstance(value, torch.Tensor) or value.is_sparse or value.is_quantized or value.numel() > 10**5:
        return  # spoilt already
    elif action == 5:
        net[name] = value if value.is_meta else value.to(draw(_dtypes))
    elif action == 6:
        net[name] = torch.full(value.shape[-4:], draw(st.sampled_from([float('nan'), float('inf')])))
    elif action == 7:  # the right shape, but one value behind it
        net[name] = torch.zeros(()).expand(value.shape)
    else:
        net[name] = torch.zeros(()).expand(10**6, *value.shape[1:])


@st.composite
def odd_trees(draw: st.DrawFn) -> bytes:
    """Draw a whole file with odd content: nested, misnamed, mistyped, misshapen."""
    net: dict[Any, Any] = dict(weights(draw(st.sampled_from(NAMES))))
    names = list(net)
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(names))
        _spoil(draw, net, name)
    tree: Any = net
    for _ in range(draw(st.integers(0, 3))):
        tree = draw(
            st.sampled_from(
                [{'params': tree}, {'state_dict': tree, 'epoch': 3}, {'a': tree, 'b': {}}, {0: tree}, [tree], (tree,),
                 {'params': None, 'params_ema': tree}, {('a', 1): tree, '\n': 5}]
            )
        )  # fmt: skip
    try:
        return to_pth(tree)
    except (RuntimeError, NotImplementedError, AttributeError):  # not every odd tensor can be saved
        return to_pth({'params': {}})


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 10**20), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(['type', 'stride', 'branches', 'refine', 'mask_per_channel', 'samples', 'prob', 'dilated']),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)


@st.composite
def odd_safetensors(draw: st.DrawFn) -> bytes:
    """Draw a safetensors file whose header says something else than its data."""
    content = draw(st.sampled_from(seeds()[1]))
    size = struct.unpack_from('<Q', content)[0]
    header = json.loads(content[8 : 8 + size])
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(header)))
        action = draw(st.integers(0, 5))
        if action == 0 or name == '__metadata__':
            text = draw(st.one_of(_json.map(json.dumps), st.text(max_size=20), st.just('[' * 100_000)))
            place, told = draw(st.sampled_from(['scheme', 'hyper_parameters', 'arch'])), header.get('__metadata__')
            header['__metadata__'] = {**(told if isinstance(told, dict) else {}), place: text}
        elif action > 3 or not isinstance(header[name], dict):
            header[draw(st.sampled_from([name, 'new', '\n']))] = draw(st.one_of(st.just(header[name]), _json))
        elif action == 1:
            header[name]['shape'] = draw(
                st.lists(st.sampled_from([0, 1, 3, 8, 2**31, 2**62, -1, 1.5, 'a']), max_size=5)
            )
        elif action == 2:
            header[name]['dtype'] = draw(
                st.sampled_from(['F64', 'F16', 'BF16', 'I64', 'BOOL', 'F8_E4M3', 'C64', 'X', 5])
            )
        else:
            header[name]['data_offsets'] = draw(st.lists(st.sampled_from([0, 4, 2**63, -1, 864]), max_size=3))
    encoded = json.dumps(header).encode()
    size = draw(st.one_of(st.just(len(encoded)), st.sampled_from([0, 1, 2**40, 2**64 - 1, len(encoded) + 1])))
    return struct.pack('<Q', size) + encoded + content[8 + struct.unpack_from('<Q', content)[0] :]


@st.composite
def odd_pickles(draw: st.DrawFn) -> bytes:
    """Draw a bare pickle of plain values, as other programs write them."""
    value = draw(st.recursive(_scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner))))
    return pickle.dumps(value, protocol=draw(st.sampled_from([2, 4])))


def inputs() -> st.SearchStrategy[tuple[str, bytes]]:
    """Make files of weights, with the suffix that says how to read them."""
    pth, safetensors = seeds()
    zipped = [content for content in pth if content.startswith(b'PK')]
    return st.one_of(
        st.tuples(st.just('.pth'), damaged(pth)),
        st.tuples(st.just('.pth'), damaged_pickles(zipped)),
        st.tuples(st.just('.pth'), odd_trees()),
        st.tuples(st.just('.pth'), odd_pickles()),
        st.tuples(st.just('.safetensors'), damaged(safetensors)),
        st.tuples(st.just('.safetensors'), odd_safetensors()),
    )


def check(path: Path, data: tuple[str, bytes]) -> None:
    """A network with finite weights comes out, or the error that the callers know, in one line with the name."""
    suffix, content = data
    path = path.with_suffix(suffix)
    path.write_bytes(content)
    try:
        denoiser = read_denoiser(path)
        denoiser.build()
        denoiser.network_g()
    except WeightsError as error:
        _one_line(error, path)
    try:
        model = load_model(path)
    except ModelError as error:
        _one_line(error, path)
    else:
        assert all(value.isfinite().all() for value in model.net.state_dict().values() if value.is_floating_point())


def _one_line(error: Exception, path: Path) -> None:
    text = str(error)
    assert text.startswith(f'{path}: ') and text.isprintable() and len(text) < 1000, repr(text[:3000])


if __name__ == '__main__':
    scratch = Path(sys.argv[1])
    fuzz(inputs(), check, scratch, quick=200)
