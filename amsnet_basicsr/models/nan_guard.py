"""Looking whether the loss is a number, before it reaches the weights."""

from collections.abc import Callable, Sequence

import torch

from amsnet_basicsr.utils.distributed import has_joined

POLICIES = ('stop', 'skip')
_MOST_IN_A_ROW = 20
_ADVICE = '. Lower the learning rate, or set train.on_bad_loss: skip'


class BadLossError(RuntimeError):
    """The loss is NaN or infinite."""


def bad_loss_message(name: str, value: float, iteration: int, lr: float, images: Sequence[str]) -> str:
    """Say that a loss is useless, and where to look.

    Args:
        name: Name of the loss.
        value: Its value.
        iteration: The iteration.
        lr: The learning rate.
        images: Images of the batch.

    Returns:
        One line.
    """
    return (
        f'{name} is {value} at iteration {iteration} (learning rate {lr:.3g}; '
        f'images of the batch: {", ".join(images) or "unknown"})'
    )


class LossGuard:
    """Stops a training at a loss that is NaN or infinite, or leaves the batch out.

    On a GPU a look at the loss makes the processor wait for it. So there `stop` looks at the loss of one iteration
    during the next: training stops one step later, before anything is saved. `skip` has to know at once, and waits.

    Args:
        policy: 'stop' or 'skip'.
        warn: Told about each batch left out.

    Raises:
        ValueError: For another policy.
    """

    def __init__(self, policy: str, warn: Callable[[str], None]) -> None:
        """Read the policy."""
        if policy not in POLICIES:
            raise ValueError(f"train.on_bad_loss must be 'stop' or 'skip', got {policy!r}")
        self.policy, self.warn = policy, warn
        self._in_a_row = 0
        self._pending: tuple[torch.Tensor, torch.cuda.Event, Callable[[], str]] | None = None

    def admits(self, losses: dict[str, torch.Tensor], iteration: int, lr: float, images: Sequence[str]) -> bool:
        """Look at the losses of one iteration.

        Args:
            losses: Scalars by name.
            iteration: The iteration.
            lr: The learning rate.
            images: Images of the batch.

        Returns:
            Whether to learn from this batch; with several processes the same for all of them.

        Raises:
            BadLossError: If a loss is NaN or infinite and the policy is to stop, or 20 batches in a row were left out.
        """
        finite = torch.stack([loss.detach().float() for loss in losses.values()]).isfinite().all()
        values = {name: loss.detach() for name, loss in losses.items()}

        def message() -> str:
            name = next((name for name, value in values.items() if not value.isfinite()), next(iter(values)))
            return bad_loss_message(name, values[name].item(), iteration, lr, images)

        if self.policy == 'stop' and finite.is_cuda:
            self.look_back()
            flag = torch.empty((), dtype=torch.bool, pin_memory=True)
            flag.copy_(finite, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self._pending = (flag, event, message)
            return True
        if self.policy == 'skip' and has_joined():
            agreed = finite.float()
            torch.distributed.all_reduce(agreed, torch.distributed.ReduceOp.MIN)
            finite = agreed > 0
        if finite:
            self._in_a_row = 0
            return True
        self._in_a_row += 1
        if self.policy == 'stop':
            raise BadLossError(f'{message()}{_ADVICE}')
        if self._in_a_row >= _MOST_IN_A_ROW:
            raise BadLossError(f'{message()}, as in the {_MOST_IN_A_ROW} batches up to here: lower the learning rate')
        self.warn(f'{message()}: batch left out')
        return False

    def look_back(self) -> None:
        """Look at the loss of the iteration before, on a GPU.

        Raises:
            BadLossError: If it is NaN or infinite.
        """
        if self._pending is None:
            return
        flag, event, message = self._pending
        self._pending = None
        event.synchronize()
        if not flag.item():
            raise BadLossError(f'{message()}{_ADVICE}')
