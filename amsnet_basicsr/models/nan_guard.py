"""Checking that the loss is finite before it reaches the weights."""

from collections.abc import Callable, Sequence

import torch

from amsnet_basicsr.utils.distributed import has_joined
from amsnet_basicsr.utils.errors import UserError

_MOST_IN_A_ROW = 20
_ADVICE = '. Lower the learning rate, or set train.on_bad_loss: skip'


def bad_loss_message(name: str, value: float, iteration: int, lr: float, images: Sequence[str]) -> str:
    """Say in one line that a loss is NaN or infinite, and where to look."""
    return (
        f'{name} is {value} at iteration {iteration} (learning rate {lr:.3g}; '
        f'images of the batch: {", ".join(images) or "unknown"})'
    )


class LossGuard:
    """Stops training at a loss that is NaN or infinite (policy `stop`), or skips the batch and warns (`skip`).

    Reading the loss from a GPU makes the processor wait. So there `stop` reads the loss of one iteration
    during the next: training stops one step later, before anything is saved. `skip` must know at once, and waits.
    """

    def __init__(self, policy: str, warn: Callable[[str], None]) -> None:
        self.policy, self.warn = policy, warn
        self._in_a_row = 0
        self._pending: tuple[torch.Tensor, torch.cuda.Event, Callable[[], str]] | None = None

    def check(self, losses: dict[str, torch.Tensor], iteration: int, lr: float, images: Sequence[str]) -> bool:
        """Check the losses of one iteration, scalars by name.

        Returns:
            Whether to learn from this batch; with several processes the same for all of them.

        Raises:
            UserError: If a loss is NaN or infinite and the policy is to stop, or 20 batches in a row were left out.
        """
        values = {name: loss.detach() for name, loss in losses.items()}
        finite = torch.stack([value.float() for value in values.values()]).isfinite().all()

        def message() -> str:
            name = next((name for name, value in values.items() if not value.isfinite()), next(iter(values)))
            return bad_loss_message(name, values[name].item(), iteration, lr, images)

        if self.policy == 'stop' and finite.is_cuda:
            self.flush()
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
            raise UserError(f'{message()}{_ADVICE}')
        if self._in_a_row >= _MOST_IN_A_ROW:
            raise UserError(f'{message()}, as in the {_MOST_IN_A_ROW} batches up to here: lower the learning rate')
        self.warn(f'{message()}: batch left out')
        return False

    def flush(self) -> None:
        """Check the loss of the previous iteration, on a GPU; a `UserError` if it is NaN or infinite."""
        if self._pending is not None:
            (flag, event, message), self._pending = self._pending, None
            event.synchronize()
            if not flag.item():
                raise UserError(f'{message()}{_ADVICE}')
