"""How many training steps fit into the time: measured by doing a few."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from amsnet_basicsr.archs import NAFNet
from amsnet_basicsr.denoise.denoiser import Denoiser
from amsnet_basicsr.options.blocks import DenoiserScheme
from amsnet_basicsr.scheme import hide, pixel_downsample, random_partition
from amsnet_basicsr.utils.errors import UserError

SAMPLES = 8
"""Partitions that the teacher averages over: better than R3 at the same cost, see docs/results/results.md."""
CPU_CROP, GPU_CROP = 120, 160
"""Side of the training crops in pixels. The paper's is 160; where time is short, more steps of less do better."""
CPU_BATCH, GPU_BATCH = 2, 16
"""Crops in a training step."""
PATCHES_PER_ITERATION = 1 / 20
"""For each step of the teacher, so many patches are denoised for the student to learn from."""
LEAST_ITERATIONS = 50
_LEAST_PATCHES = 16
_TRAINING_OVERHEAD = 1.25  # BasicSR's step against a pass and its gradient: optimizer, reading, averaging, logging
_START = 10.0  # seconds until a training begins
_VALIDATIONS = 6
_WARM_UP, _TIMED = 1, 3


@dataclass(frozen=True)
class Costs:
    """Seconds of a training step of the teacher, of one of the student, and of denoising a patch by the teacher."""

    teacher: float
    student: float
    patch: float


@dataclass(frozen=True)
class Plan:
    """Training steps of teacher and student, patches denoised for the student, and about how many seconds it takes."""

    teacher: int
    student: int
    patches: int
    seconds: float


def network_options(width: int) -> dict[str, Any]:
    """Hyper-parameters of the network: a NAFNet of 0.68 million parameters at width 16."""
    return {'img_channel': 3, 'width': width, 'middle_blk_num': 4, 'enc_blk_nums': [1, 1, 2], 'dec_blk_nums': [1, 1, 1]}


def network_bytes(width: int) -> float:
    """Bytes of the checkpoints that lie there at once: six of each training, with weights and their average."""
    return 2 * 6 * 2 * 4 * 0.69e6 * max(width / 16, 0.1) ** 2


def crop_size(patch: int, stride: int, wanted: int) -> int:
    """Choose the side of the training crops.

    Args:
        patch: Least side of the patches.
        stride: The train stride, which it must be a multiple of.
        wanted: Its size if nothing is against it.

    Returns:
        At most `wanted`; if possible such that the sub-images' sides are multiples of 8, which the network wants.
    """
    most = min(patch, wanted)
    return most // (8 * stride) * 8 * stride or most // stride * stride


def measure(
    width: int,
    patch: int,
    crops: tuple[int, int],
    strides: tuple[int, int],
    batch: int,
    device: torch.device,
    seed: int,
) -> Costs:
    """Time a few steps of each kind, with patches of this side, and crops of these for teacher and student.

    Raises:
        UserError: If memory runs out.
    """
    torch.manual_seed(seed)
    net = NAFNet(**network_options(width)).to(device).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)
    sub = pixel_downsample(torch.rand((batch, 3, crops[0], crops[0]), generator=generator), strides[0])
    image = torch.rand((batch, 3, crops[1], crops[1]), generator=generator)
    index = random_partition((*sub.shape,), 2, generator)
    whole = torch.rand((patch, patch, 3), generator=generator).numpy()
    try:
        teacher = _time(_step(net, hide(sub, index, 0).to(device)), device) * _TRAINING_OVERHEAD
        student = _time(_step(net, image.to(device)), device) * _TRAINING_OVERHEAD
        once = Denoiser(net, DenoiserScheme(stride=strides[1]), tile=0, device=device)
        # All samples cost the same: one tells.
        denoise = _time(lambda: once(whole), device) * SAMPLES
    except (MemoryError, RuntimeError) as error:
        if 'memory' not in str(error) and 'alloc' not in str(error):
            raise
        raise UserError(f'memory ran out with {batch} crops in a step: give a smaller --batch or --width') from None
    return Costs(teacher, student, denoise)


def _step(net: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    # Without an optimizer, whose first step costs PyTorch seconds of imports.
    def step() -> None:
        net.zero_grad()
        (net(x) - x).abs().mean().backward()

    return step


def _time(run: Callable[[], Any], device: torch.device) -> float:
    seconds = []
    for number in range(_WARM_UP + _TIMED):
        start = time.perf_counter()
        run()
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        if number >= _WARM_UP:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def make_plan(costs: Costs, available: int, held_out: int, minutes: float, iterations: int | None) -> Plan:
    """Share the time out among the stages.

    One number fixes all: the teacher's steps N. The student gets N / 2 of them, and N / 20 patches.

    Args:
        costs: What was measured.
        available: Number of patches.
        held_out: Number of patches held out.
        minutes: Time that everything may take; at least `LEAST_ITERATIONS` are made.
        iterations: N, if it is given.

    Returns:
        The plan; the same for the same N.
    """
    # A validation denoises once and predicts the hidden pixels once; at the end everything is denoised once more.
    fixed = 2 * _START + held_out * costs.patch * (2 * _VALIDATIONS / SAMPLES + 2)

    def plan(count: int) -> Plan:
        student = max(1, count // 2)
        patches = min(available, max(_LEAST_PATCHES, round(count * PATCHES_PER_ITERATION)))
        seconds = fixed + count * costs.teacher + student * costs.student + patches * costs.patch
        return Plan(count, student, patches, seconds)

    if iterations is not None:
        return plan(iterations)
    count = int(max(0.0, minutes * 60 - fixed) / (costs.teacher + costs.student / 2)) // 50 * 50
    while count > LEAST_ITERATIONS and plan(count).seconds > minutes * 60:
        count -= 50
    return plan(max(count, LEAST_ITERATIONS))


def refuse_too_little_time(costs: Costs, available: int, held_out: int, minutes: float) -> None:
    """Stop if the time isn't enough for `LEAST_ITERATIONS`."""
    least = make_plan(costs, available, held_out, minutes, LEAST_ITERATIONS).seconds / 60
    if least > minutes:
        raise UserError(
            f'{minutes:g} minutes are too few here: --minutes {math.ceil(10 * least) / 10:g} is the least, and a good '
            'result takes many times that'
        )
