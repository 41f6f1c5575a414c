"""Validation by one process, or by several that share a set."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePath
from typing import Any, TypeVar

import torch
from torch import nn

from amsnet_basicsr.utils.distributed import has_joined
from amsnet_basicsr.utils.errors import UserError

Message = TypeVar('Message')


class OtherProcessFailedError(UserError):
    """Another process failed, so this one ends too."""


class Processes:
    """Those that validate `together`: all of a distributed run, or this one alone as if there were no other.

    Image i of a set is for process i mod W. All processes talk at the same points, so that all end when one fails.
    """

    def __init__(self, together: bool) -> None:
        several = together and has_joined()
        self.count = torch.distributed.get_world_size() if several else 1
        self.rank = torch.distributed.get_rank() if several else 0

    def check_same(self, dataset: Any) -> None:
        """Raise a `UserError` unless all processes find the same images in the same order, and at least one."""
        # BasicSR lists folders as the file system does, which on another node may be in another order.
        names = '\n'.join(_file_names(dataset))
        if len(set(self.exchange(hashlib.sha256(names.encode(errors='replace')).hexdigest()))) > 1:
            raise UserError(
                f'the processes find different images in set {dataset.opt["name"]!r}, or in different orders; '
                f'let meta_info_file list them'
            )
        if len(dataset) == 0:
            raise UserError(f'validation set {dataset.opt["name"]!r} holds no image')

    @contextmanager
    def ending_together(self) -> Iterator[None]:
        """All leave this together, or fail together for the reason of the first that failed."""
        try:
            yield
            self.exchange(None)
        except OtherProcessFailedError:
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, UserError) else f'{type(error).__name__}: {error}'
            with suppress(RuntimeError, UserError):  # others may have failed too, or be gone
                self.exchange(None, reason)
            raise

    def exchange(self, message: Message, failure: str | None = None) -> list[Message]:
        """Send a message, which must pickle, to all, or why no more will come; return all messages by rank.

        Raises:
            OtherProcessFailedError: If another process told a failure.
        """
        heard: list[Any] = [(message, failure)]
        if self.count > 1:
            heard = [None] * self.count
            torch.distributed.all_gather_object(heard, (message, failure))
        for rank, (_, reason) in enumerate(heard):
            if reason is not None and rank != self.rank:
                raise OtherProcessFailedError(f'validation ended by process {rank}: {reason}')
        return [message for message, _ in heard]

    @torch.no_grad()
    def share_buffers(self, net: nn.Module) -> None:
        """Give all processes the first's buffers, such as BatchNorm's statistics, which differ while training.

        Parameters are the same in all, and the first's network is the one that is saved.
        """
        for buffer in net.buffers() if self.count > 1 else ():
            same = buffer.contiguous()
            torch.distributed.broadcast(same, src=0)
            buffer.copy_(same)


def _file_names(dataset: Any) -> list[str]:
    """Names of a set's files in its order, without folders, which may be mounted elsewhere on another node."""
    for attribute in ('paths', 'entries', 'pairs'):  # BasicSR's, ours; a pair is named by the file that it ends with
        if isinstance(files := getattr(dataset, attribute, None), list):
            return [PurePath(str(getattr(file, 'path', file))).name for file in files]
    return [str(len(dataset))]
