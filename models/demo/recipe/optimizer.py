"""How weights are changed: Muon, and the processes that share a batch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Peers:
    """The processes that share a batch: each has one thread, which wastes less on a busy machine than threads do."""

    def __init__(self, rank: int, count: int, port: int) -> None:
        self.rank, self.count = rank, count
        if count > 1:
            dist.init_process_group(
                "gloo", f"tcp://127.0.0.1:{port}", timedelta(hours=12), world_size=count, rank=rank
            )  # A stopped peer is waited for.

    def average(self, parameters: list[nn.Parameter]) -> None:
        """Replace the gradients by their mean over the processes."""
        if self.count == 1:
            return
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in grads])
        dist.all_reduce(flat)
        for grad, mean in zip(grads, torch.split(flat / self.count, [g.numel() for g in grads]), strict=True):
            grad.copy_(mean.view_as(grad))

    def divide(self, work: Callable[[Tensor], Tensor], stack: Tensor) -> Tensor:
        """Return `work(stack)`, where each process works on an equal part of the stack if it can be divided so."""
        if self.count == 1 or len(stack) % self.count:
            return work(stack)
        mine = work(stack.chunk(self.count)[self.rank]).contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.count)]
        dist.all_gather(parts, mine)
        return torch.cat(parts)

    def agree(self, value: float) -> float:
        """Return the value of the first process."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return float(shared)


class Muon:
    """Momentum whose update is made orthogonal; matrices of one shape are updated together, shared among processes."""

    def __init__(self, matrices: list[nn.Parameter], peers: Peers, momentum: float = 0.95, decay: float = 0.02) -> None:
        self.momentum, self.decay, self.peers = momentum, decay, peers
        self.groups: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for matrix in matrices:
            self.groups.setdefault(tuple(matrix.shape), []).append(matrix)
        self.state = {shape: torch.zeros(len(g), *shape, device=g[0].device) for shape, g in self.groups.items()}

    @torch.no_grad()
    def step(self, lr: float) -> None:
        for shape, group in self.groups.items():
            grad = torch.stack([p.grad for p in group if p.grad is not None])
            self.state[shape].lerp_(grad, 1 - self.momentum)
            update = grad.lerp(self.state[shape], self.momentum)
            update = self.peers.divide(self._orthogonal, update) * 0.2 * max(shape) ** 0.5
            for matrix, change in zip(group, update, strict=True):
                matrix.mul_(1 - lr * self.decay).add_(change, alpha=-lr)

    @staticmethod
    def _orthogonal(x: Tensor) -> Tensor:
        tall = x.shape[1] > x.shape[2]
        x = x.mT if tall else x
        x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
        for _ in range(5):
            gram = x @ x.mT
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        return x.mT if tall else x
