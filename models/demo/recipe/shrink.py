"""Make a smaller checkpoint out of a trained one: some layers, and in each the feed-forward units that do most."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import asdict
from pathlib import Path

import torch
from model import Config, Decoder, deepen, load, save


@torch.no_grad()
def narrow(model: Decoder, units: int) -> Decoder:
    """Return the decoder with `units` feed-forward units in each layer: those with the largest weights, in and out."""
    small = Decoder(Config(**{**asdict(model.config), "intermediate_size": units}))
    kept = {}
    for name, weight in model.state_dict().items():
        if name.endswith("down_proj.weight"):
            prefix = name.removesuffix("down_proj.weight")
            gate, up = (model.state_dict()[f"{prefix}{part}_proj.weight"] for part in ("gate", "up"))
            best = (weight.norm(dim=0) * gate.norm(dim=1) * up.norm(dim=1)).topk(units).indices.sort().values
            kept[name] = weight[:, best]
            kept[f"{prefix}gate_proj.weight"], kept[f"{prefix}up_proj.weight"] = gate[best], up[best]
        elif "gate_proj" not in name and "up_proj" not in name:
            kept[name] = weight
    small.load_state_dict(kept)
    return small


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="a checkpoint")
    parser.add_argument("target", type=Path, help="where the smaller one goes")
    parser.add_argument("--layers", default="0,1,2,3,5", help="the layers that are kept")
    parser.add_argument("--units", type=int, default=384, help="feed-forward units that are kept in each layer")
    options = parser.parse_args()
    model = deepen(load(options.source), [int(part) for part in options.layers.split(",")])
    save(narrow(model, options.units), options.target)
    shutil.copyfile(options.source / "tokenizer.json", options.target / "tokenizer.json")


if __name__ == "__main__":
    main()
