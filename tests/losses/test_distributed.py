"""Two processes with half a batch each learn what one with the whole batch learns."""

import torch

from amsnet_basicsr import plugin  # noqa: F401 (registers)
from amsnet_basicsr.losses import mask_l1_loss


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A batch of two whose images hide very different numbers of pixels."""
    generator = torch.Generator().manual_seed(0)
    noisy = torch.rand((2, 3, 8, 8), generator=generator)
    hidden = torch.rand((2, 1, 8, 8), generator=generator) < torch.tensor([0.1, 0.8]).view(2, 1, 1, 1)
    return noisy, hidden, torch.full((3, 1, 1), 0.4)


def gradient(noisy: torch.Tensor, hidden: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    colour = start.clone().requires_grad_()
    mask_l1_loss(colour.expand_as(noisy), noisy, hidden).backward()
    return colour.grad


def one_process(rank: int, folder: str) -> None:
    torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
    noisy, hidden, start = example()
    mine = gradient(noisy[rank : rank + 1], hidden[rank : rank + 1], start)
    torch.distributed.all_reduce(mine)
    torch.save(mine / 2, f'{folder}/{rank}.pt')  # DistributedDataParallel averages
    torch.distributed.destroy_process_group()


def test_gradient_is_that_of_one_process(fork_server, tmp_path):
    fork_server.run_in_two(one_process, tmp_path)
    expected = gradient(*example())
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f'{rank}.pt', weights_only=True), expected)
