"""How many training steps fit into the time: measured by doing a few."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from amsnet_basicsr.utils.errors import UserError

SAMPLES = 8
"""Partitions that the teacher averages over: better than R3 at the same cost, see docs/results/results.md."""
PASSES = 2 * SAMPLES
"""Passes through the teacher to denoise once: each partition has two branches."""
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
class Steps:
    """Training steps of teacher and student, patches denoised for the student, and about how many seconds it takes."""

    teacher: int
    student: int
    patches: int
    seconds: float


def crop_size(patch: int, stride: int, wanted: int, multiple: int = 8) -> int:
    """Choose the side of the training crops.

    Args:
        patch: Least side of the patches.
        stride: The train stride, which it must be a multiple of.
        wanted: Its size if nothing is against it.
        multiple: What the network wants the sides of its input to be multiples of.

    Returns:
        At most `wanted`; if possible such that the sub-images' sides are such multiples.
    """
    most = min(patch, wanted)
    return most // (multiple * stride) * multiple * stride or most // stride * stride


def measure(
    teacher: nn.Module,
    student: nn.Module,
    crops: tuple[int, int],
    stride: int,
    patch: int,
    batch: int,
    device: torch.device,
) -> Costs:
    """Time a few passes through teacher and student, with as many crops in a step, and patches of this side.

    Raises:
        UserError: If memory runs out.
    """
    sub_images = torch.rand((batch * stride**2, 3, crops[0] // stride, crops[0] // stride), device=device)
    image = torch.rand((batch, 3, crops[1], crops[1]), device=device)
    nets = [net.to(device).to(memory_format=torch.channels_last) for net in (teacher, student)]
    try:
        steps = [_time(_step(net, x), device) for net, x in zip(nets, (sub_images, image), strict=True)]
        with torch.no_grad():
            once = _time(lambda: nets[0](sub_images), device)
    except (MemoryError, RuntimeError) as error:
        if 'memory' not in str(error) and 'alloc' not in str(error):
            raise
        raise UserError(f'memory ran out with {batch} crops in a step: give a smaller --batch or --width') from None
    a_patch = PASSES * once * patch**2 / (batch * crops[0] ** 2)
    return Costs(steps[0] * _TRAINING_OVERHEAD, steps[1] * _TRAINING_OVERHEAD, a_patch)


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


def plan_steps(costs: Costs, available: int, held_out: int, minutes: float, iterations: int | None) -> Steps:
    """Share the time out among the stages.

    One number fixes all: the teacher's steps N. The student gets N / 2 of them, and N / 20 patches.

    Args:
        costs: What was measured.
        available: Number of patches.
        held_out: Number of patches held out.
        minutes: Time that everything may take; at least `LEAST_ITERATIONS` are made.
        iterations: N, if it is given.

    Returns:
        The same for the same N.
    """
    # A validation denoises once and predicts the hidden pixels once; at the end everything is denoised once more.
    fixed = 2 * _START + held_out * costs.patch * (2 * _VALIDATIONS / SAMPLES + 2)

    def plan(count: int) -> Steps:
        student = max(1, count // 2)
        patches = min(available, max(_LEAST_PATCHES, round(count * PATCHES_PER_ITERATION)))
        seconds = fixed + count * costs.teacher + student * costs.student + patches * costs.patch
        return Steps(count, student, patches, seconds)

    if iterations is not None:
        return plan(iterations)
    count = int(max(0.0, minutes * 60 - fixed) / (costs.teacher + costs.student / 2)) // 50 * 50
    while count > LEAST_ITERATIONS and plan(count).seconds > minutes * 60:
        count -= 50
    return plan(max(count, LEAST_ITERATIONS))


def refuse_too_little_time(costs: Costs, available: int, held_out: int, minutes: float) -> None:
    """Stop if the time isn't enough for `LEAST_ITERATIONS`."""
    least = plan_steps(costs, available, held_out, minutes, LEAST_ITERATIONS).seconds / 60
    if least > minutes:
        raise UserError(
            f'{minutes:g} minutes are too few here: --minutes {math.ceil(10 * least) / 10:g} is the least, and a good '
            'result takes many times that'
        )
