"""Fuzz what reads training states: finding one, its content, and the first step after it."""

import contextlib
import copy
import io
import logging
import sys
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.resume.checkpoints import training_state
from amsnet_basicsr.resume.states import load_resume_state
from amsnet_basicsr.utils.errors import UserError
from tests.fuzz.in_a_child import fuzz
from tests.fuzz.mutations import damaged
from tests.resume.test_changes import build, steps

_VALUES = (
    None, True, -1, 0, 3, 2**40, 2**70, 0.5, float('nan'), float('inf'), '', 'x', [], [1], ['x'], {}, {'a': 1},
    {0: {'step': 1}}, (), torch.zeros(()), torch.zeros(7), torch.zeros(2, 2), torch.tensor(float('nan')),
    torch.zeros(3, dtype=torch.int64), torch.zeros(2, dtype=torch.complex64), torch.zeros(3, device='meta'),
    torch.zeros(3).to_sparse(),
)  # fmt: skip


def content(folder: Path) -> dict[str, Any]:
    """Make the content of a valid state, of iteration 4."""
    model = build(folder)
    steps(model, 1, 4)
    return copy.deepcopy(training_state(model, 0, 4))


def to_bytes(state: object) -> bytes:
    """Encode as torch.save does."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@st.composite
def odd_states(draw: st.DrawFn, state: dict[str, Any]) -> bytes:
    """Draw a state in which values of any depth are replaced, removed or added."""
    state = copy.deepcopy(state)
    for _ in range(draw(st.integers(1, 3))):
        place: Any = state
        for _ in range(draw(st.integers(0, 6))):
            inner = [value for value in (place.values() if isinstance(place, dict) else place) if _is_tree(value)]
            if not inner:
                break
            place = draw(st.sampled_from(inner))
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key, value = draw(st.sampled_from(keys)), copy.deepcopy(draw(st.sampled_from(_VALUES)))
        action = draw(st.integers(0, 5))
        if action == 0:
            del place[key]
        elif action == 1 and isinstance(place, dict):
            place[draw(st.sampled_from(['x', 'lr', 'step', 99, None, 1.5]))] = value
        else:
            place[key] = value
    return to_bytes(state)


def _is_tree(value: object) -> bool:
    return isinstance(value, dict | list) and bool(value)


def check(path: Path, data: bytes) -> None:
    """Training goes on, or ends with an error of one line that names the file."""
    root = path.parent / 'experiment'
    state = root / 'training_states' / '4.state'
    state.write_bytes(data)
    opt = {
        'rank': 0, 'auto_resume': False, 'manual_seed': 0, 'network_g': {}, 'train': {'total_iter': 12},
        'path': {
            'resume_state': str(state), 'models': str(root / 'models'), 'training_states': str(state.parent),
            'visualization': str(root), 'log': str(root),
        },
    }  # fmt: skip
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = load_resume_state(opt)
        model = build(path.parent)
        model.opt['path']['resume_state'] = str(state)
        model.resume_training(found)
        steps(model, found['iter'] + 1, found['iter'] + 1)
    except UserError as error:
        text = str(error)
        assert str(state) in text and text.isprintable() and len(text) < 1000, repr(text[:3000])


if __name__ == '__main__':
    scratch = Path(sys.argv[1])
    logging.disable(logging.CRITICAL)
    for name in ('models', 'training_states'):
        (scratch / 'experiment' / name).mkdir(parents=True)
    torch.save({'params': {'x': torch.zeros(3)}}, scratch / 'experiment' / 'models' / 'net_g_4.pth')
    valid = content(scratch)
    check(scratch / 'input', to_bytes(valid))
    fuzz(st.one_of(odd_states(valid), odd_states(valid), damaged([to_bytes(valid)])), check, scratch, quick=200)
