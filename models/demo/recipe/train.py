"""Train the demo model: next-token loss on the answers, and some heads shown where to look."""

from __future__ import annotations

import argparse
import csv
import itertools
import multiprocessing as mp
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from batches import AST, GUIDES, KEY_WEIGHT, Batch, batches, prefetched
from generator import Shape
from model import Config, Decoder, deepen, load, save
from optimizer import Muon, Peers
from torch import Tensor, nn

Heads = dict[str, tuple[int, int]]  # guide -> layer, head
SHORT, MIDDLE, LONG = Shape(4, 24, 8), Shape(5, 55, 10), Shape(6, 90, 12)
MIXES = {"start": [(0.9, SHORT), (0.1, MIDDLE)], "main": [(0.5, SHORT), (0.35, MIDDLE), (0.15, LONG)]}


def attention_mask(batch: dict[str, Tensor]) -> Tensor:
    """Return [batch, 1, tokens, tokens]: earlier tokens of the passages and of the own question are seen."""
    group = batch["group"]
    seen = (group[:, None, :] == 0) | (group[:, None, :] == group[:, :, None])
    return (seen & torch.ones(group.shape[1], group.shape[1], dtype=torch.bool, device=group.device).tril())[:, None]


def to_tensors(batch: Batch, device: str) -> dict[str, Tensor]:
    arrays = {name: getattr(batch, name) for name in ("ids", "positions", "group", "weight", "stem")}
    arrays |= {f"low.{n}": batch.low[n] for n in GUIDES} | {f"high.{n}": batch.high[n] for n in GUIDES}
    return {name: torch.from_numpy(a).to(device) for name, a in arrays.items()}


def _rows(wanted: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Choose up to `limit` wanted positions of each example; return their indices and which of them count."""
    order = (wanted.float() * (1 + torch.rand(wanted.shape, device=wanted.device))).topk(min(limit, wanted.shape[1]), 1)
    return order.indices, order.values > 0


def head_masses(
    batch: dict[str, Tensor], mask: Tensor, queries: list[Tensor], keys: list[Tensor], heads: Heads, limit: int
) -> dict[str, Tensor]:
    """Return, for each guide, how much attention its head gives to where it should look, for some positions."""
    out = {}
    tokens = torch.arange(batch["ids"].shape[1], device=batch["ids"].device)
    for name, (layer, head) in heads.items():
        if name == "match":
            same = (batch["stem"][:, :, None] == batch["stem"][:, None, :]) & (batch["group"][:, None, :] == 0)
            wanted = (batch["group"] > 0) & (batch["stem"] > 0)
            rows, valid = _rows(wanted, limit)
            target = same.gather(1, rows[..., None].expand(-1, -1, len(tokens)))
            valid &= target.any(-1)
        else:
            low, high = batch[f"low.{name}"], batch[f"high.{name}"]
            rows, valid = _rows(low >= 0, limit)
            target = (tokens >= low.gather(1, rows)[..., None]) & (tokens <= high.gather(1, rows)[..., None])
        q, k = queries[layer][:, head], keys[layer][:, head]
        q = q.gather(1, rows[..., None].expand(-1, -1, q.shape[-1]))
        seen = mask[:, 0].gather(1, rows[..., None].expand(-1, -1, len(tokens)))
        scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen, -torch.inf)
        found = torch.logsumexp(scores.masked_fill(~target, -1e9), -1) - torch.logsumexp(scores, -1)
        out[name] = found[valid]
    return out


class Probes(nn.Module):
    """Read out of two inner layers what the guided heads should have fetched; needed for training only.

    After the layer of the `start` and `marker` heads each token of a passage must know the first token of its sentence
    and the number of its passage; after the layer of the `span` head each answer must know those of its source.
    """

    def __init__(self, size: int, heads: Heads) -> None:
        super().__init__()
        self.stages = {"passage": max(heads["start"][0], heads["marker"][0]), "answer": heads["span"][0]}
        self.maps = nn.ModuleDict(
            {
                f"{stage}_{what}": nn.Linear(size, size, bias=False)
                for stage in self.stages
                for what in ("start", "marker")
            }
        )

    def forward(
        self, model: Decoder, batch: dict[str, Tensor], states: list[Tensor], limit: int
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the sum of the losses and the accuracy of each read-out."""
        loss, figures = torch.zeros((), device=batch["ids"].device), {}
        for stage, layer in self.stages.items():
            low = batch["low.start"] if stage == "passage" else batch["low.span"]
            rows, valid = _rows(low > 0, limit)
            source = low.gather(1, rows).clamp(min=0)
            state = states[layer].gather(1, rows[..., None].expand(-1, -1, states[layer].shape[-1]))
            state = F.rms_norm(state, state.shape[-1:])
            for what in ("start", "marker"):
                at = source if what == "start" else batch["low.marker"].gather(1, source).clamp(min=0)
                target = batch["ids"].gather(1, at)[valid]
                logits = model.logits(self.maps[f"{stage}_{what}"](state[valid]))
                loss = loss + F.cross_entropy(logits, target)
                figures[f"know_{stage}_{what}"] = (logits.argmax(-1) == target).float().mean().item()
        return loss, figures


def losses(
    model: Decoder, probes: Probes, batch: dict[str, Tensor], heads: Heads, limit: int = 80
) -> tuple[Tensor, Tensor, dict[str, float]]:
    """Return the answer loss, the loss of guides and probes, and figures: accuracies, what is seen and known inside."""
    mask = attention_mask(batch)
    hidden, cache, trace = model(batch["ids"], batch["positions"], mask)
    rows, columns = (batch["weight"] > 0).nonzero(as_tuple=True)
    weight, target = batch["weight"][rows, columns], batch["ids"][rows, columns + 1]
    logits = model.logits(hidden[rows, columns]).float()
    answer = (F.cross_entropy(logits, target, reduction="none") * weight).sum() / weight.sum()
    masses = head_masses(batch, mask, trace.queries, [k for k, _ in cache], heads, limit)
    guide = torch.stack([-m.clamp(min=-8.0).mean() for m in masses.values() if len(m)]).sum()
    known, know = probes(model, batch, trace.states, limit // 3)
    with torch.no_grad():
        right = logits.argmax(-1) == target
        turn = rows * 64 + batch["group"][rows, columns]
        wrong = torch.zeros(int(turn.max()) + 1, device=turn.device).index_add(0, turn, (~right).float())
        first = batch["ids"][rows, columns] == AST
        number = (weight == KEY_WEIGHT) & ~first
        figures = {
            "loss": answer.item(),
            "first": right[first].float().mean().item(),
            "number": right[number].float().mean().item(),
            "exact": (wrong[torch.unique(turn)] == 0).float().mean().item(),
            **{f"see_{n}": m.exp().mean().item() for n, m in masses.items() if len(m)},
            **know,
        }
    return answer, guide + known, figures


def choose_heads(model: Decoder, batch: dict[str, Tensor], fresh: list[int]) -> Heads:
    """Give each guide the head that already does most of it; with new layers, `match` and `span` get heads of those."""
    layers, width = model.config.num_hidden_layers, model.config.num_attention_heads
    heads: Heads = {"match": (layers - 4, 0), "span": (layers - 2, 0)} if fresh else {}
    taken = set(heads.values())
    allowed = {
        "pointer": [layers - 1], "marker": [0, 1], "start": [0, 1], "span": [layers - 2], "match": range(1, layers - 1)
    }  # fmt: skip
    with torch.no_grad():
        mask = attention_mask(batch)
        _, cache, trace = model(batch["ids"], batch["positions"], mask)
        queries = trace.queries
        for name in (n for n in allowed if n not in heads):
            scored = {}
            for layer, head in itertools.product(allowed[name], range(width)):
                if (layer, head) not in taken:
                    mass = head_masses(batch, mask, queries, [k for k, _ in cache], {name: (layer, head)}, 160)
                    scored[layer, head] = mass[name].mean().item()
            heads[name] = max(scored, key=lambda k: scored[k])
            taken.add(heads[name])
    return heads


@torch.no_grad()
def seed_match(model: Decoder, layer: int, head: int, gain: float = 2.0) -> None:
    """Make a head look at equal tokens from the first step: its queries and keys are one projection of the embedding.

    Only the slowly turning half of the rotary dimensions is used, so that distance hardly matters.
    """
    attention = model.attention(layer)
    width = model.config.head_dim
    slow = torch.cat([torch.arange(width // 4, width // 2), torch.arange(3 * width // 4, width)]) + head * width
    table = model.embed_tokens.weight
    table = F.normalize(table - table.mean(0), dim=1)
    basis = torch.linalg.svd(table, full_matrices=False)[2][: len(slow)]
    basis = basis * (gain * (model.config.hidden_size / len(slow)) ** 0.25)
    for projection in (attention.q_proj, attention.k_proj):
        rows = projection.weight[head * width : (head + 1) * width]
        rows.zero_()
        projection.weight[slow] = basis


def measure(
    model: Decoder, probes: Probes, source: Iterator[Batch], heads: Heads, device: str, count: int = 4
) -> dict[str, float]:
    """Return the mean figures over some batches of paragraphs and seeds that training never draws."""
    all_figures = [losses(model, probes, to_tensors(next(source), device), heads)[2] for _ in range(count)]
    return {name: float(np.nanmean([f[name] for f in all_figures if name in f])) for name in all_figures[0]}


def rate(now: float, begin: float, end: float, step: int) -> float:
    """Return the share of the full learning rate: a short rise, a plateau, a fall over the last third of the time."""
    left = max(0.0, (end - now) / max(1.0, end - begin))
    return min(1.0, (step + 1) / 60) * min(1.0, 0.02 + left / 0.35)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("output", type=Path, help="checkpoints, latest/ and log.csv go here; a run resumes from them")
    parser.add_argument("--begin-with", type=Path, help="a Llama checkpoint to start from; its tokenizer is used")
    parser.add_argument("--continue-with", type=Path, help="state.pt of another run: go on from it with a new schedule")
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json, if there is no checkpoint to begin with")
    parser.add_argument("--order", default="0,1,+,2,+,3", help="layers of that checkpoint; + is a new one")
    parser.add_argument("--minutes", type=float, default=100.0)
    parser.add_argument("--tokens", type=int, default=6000, help="tokens of a batch; 60000 or more on a GPU")
    parser.add_argument(
        "--rate", type=float, default=1.2e-3, help="AdamW's, for embeddings and norms; Muon's is --muon"
    )
    parser.add_argument("--muon", type=float, default=4e-3)
    parser.add_argument("--guide", type=float, default=0.15, help="weight of the guide loss")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--easy-steps", type=int, default=300, help="steps on short passages first")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes of one thread each that share the work on CPUs"
    )
    parser.add_argument("--port", type=int, default=29517, help="loopback port on which they meet")
    parser.add_argument("--compile", action="store_true", help="compile the layers (needs a C++ compiler)")
    parser.add_argument("--save-every", type=float, default=180.0, help="seconds between checkpoints")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def starting_model(options: argparse.Namespace) -> tuple[Decoder, list[int]]:
    """Return the model before the first step, and the indices of its new layers."""
    order = [None if part == "+" else int(part) for part in options.order.split(",")]
    if not options.begin_with:
        return Decoder(Config(num_hidden_layers=len(order))), []
    model = deepen(load(options.begin_with), order)
    fresh = [i for i, source in enumerate(order) if source is None]
    if fresh:
        seed_match(model, len(order) - 4, 0)
    return model, fresh


def train(rank: int, options: argparse.Namespace) -> None:
    """Train until the time is over; the first process measures and saves."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # An exit, not a death, ends the child processes too.
    torch.manual_seed(options.seed)  # The same weights in every process.
    if options.workers > 1:
        torch.set_num_threads(1)
    out: Path = options.output
    peers = Peers(rank, options.workers, options.port)
    tokenizer = options.tokenizer or options.begin_with / "tokenizer.json"
    model, fresh = starting_model(options)
    model.to(options.device)
    state_file = out / "state.pt"
    state = torch.load(state_file, map_location=options.device) if state_file.exists() else None
    if state is None and options.continue_with:
        state = torch.load(options.continue_with, map_location=options.device) | {"step": 0, "seen": 0, "spent": 0.0}
    if state:
        model.load_state_dict(state["model"])
    everything = list(model.parameters())
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim == 1 or "embed" in n]
    muon = Muon(matrices, peers)
    adam = torch.optim.AdamW(others, lr=options.rate, betas=(0.9, 0.97), weight_decay=0.01)
    held = batches(options.corpus, tokenizer, 10**6, options.tokens, MIXES["main"], heldout=True)
    heads: Heads = state["heads"] if state else choose_heads(model, to_tensors(next(held), options.device), fresh)
    step, seen, spent = (state["step"], state["seen"], state["spent"]) if state else (0, 0, 0.0)
    if state:
        muon.state = state["muon"]
        adam.load_state_dict(state["adam"])
    probes = Probes(model.config.hidden_size, heads).to(options.device)
    everything += list(probes.parameters())
    probe_adam = torch.optim.AdamW(probes.parameters(), lr=options.rate)
    if state and "probes" in state:
        probes.load_state_dict(state["probes"])
    if options.compile:
        for layer in model.layers:
            layer.compile(dynamic=True)
    print("process", rank, "heads", heads, "at step", step, flush=True)
    seed = options.seed * 10**6 + step * 10 + rank * len(MIXES)
    feeds = {
        name: prefetched(options.corpus, tokenizer, seed + i, options.tokens, mix)
        for i, (name, mix) in enumerate(MIXES.items())
        if name == "main" or step < options.easy_steps
    }
    begin = time.time() - spent
    end = begin + options.minutes * 60
    saved = time.time()
    mean: dict[str, float] = {}
    while True:
        share = peers.agree(rate(time.time(), begin, end, step) if time.time() < end else -1.0)
        last = share < 0
        if rank == 0 and (last or time.time() - saved > options.save_every):
            saved = time.time()
            parts = {"model": model.state_dict(), "muon": muon.state, "adam": adam.state_dict(), "heads": heads}
            parts["probes"] = probes.state_dict()
            torch.save({**parts, "step": step, "seen": seen, "spent": saved - begin}, state_file.with_suffix(".new"))
            state_file.with_suffix(".new").replace(state_file)
            save(model, out / "latest")
            shutil.copyfile(tokenizer, out / "latest" / "tokenizer.json")
            figures = measure(model, probes, held, heads, options.device)
            _log(out / "train.csv", {"step": step, "Mtok": round(seen / 1e6, 3), **figures})
        if last:
            break
        batch = to_tensors(next(feeds["start" if step < options.easy_steps else "main"]), options.device)
        answer, guide, figures = losses(model, probes, batch, heads)
        (answer + options.guide * guide).backward()
        peers.average(everything)
        nn.utils.clip_grad_norm_(others, 1.0)
        for group in adam.param_groups:
            group["lr"] = options.rate * share
        muon.step(options.muon * share)
        adam.step()
        probe_adam.step()
        model.zero_grad(set_to_none=True)
        probes.zero_grad(set_to_none=True)
        step, seen = step + 1, seen + options.workers * int((batch["group"] >= 0).sum())
        mean = {k: 0.95 * mean.get(k, v) + 0.05 * v for k, v in figures.items() if v == v}
        if step % 20 == 0 and rank == 0:
            minutes = (time.time() - begin) / 60
            rounded = {k: round(v, 3) for k, v in mean.items()}
            print(f"{minutes:.1f} min step {step} {seen / 1e6:.2f} Mtok", rounded, flush=True)


def main() -> None:
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "pid").write_text(str(os.getpid()))
    spawn = mp.get_context("spawn")
    peers = [spawn.Process(target=train, args=(rank, options)) for rank in range(1, options.workers)]
    for peer in peers:
        peer.start()
    try:
        train(0, options)
    finally:
        for peer in peers:
            peer.terminate()


def _log(path: Path, figures: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["time", *figures])
        clock = datetime.now(UTC).strftime("%H:%M:%S")
        writer.writerow([clock, *(round(v, 4) for v in figures.values())])


if __name__ == "__main__":
    main()
