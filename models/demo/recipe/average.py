"""Average checkpoints of one training: at a high learning rate each is noisy, and their mean is not."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from model import load, save


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="where the mean goes")
    parser.add_argument("parts", nargs="+", help="FOLDER=WEIGHT; the weights are made to add up to one")
    options = parser.parse_args()
    parts = [(Path(part.rpartition("=")[0]), float(part.rpartition("=")[2])) for part in options.parts]
    whole = sum(weight for _, weight in parts)
    mean = load(parts[0][0])
    states = [(load(folder).state_dict(), weight / whole) for folder, weight in parts]
    mean.load_state_dict({name: sum(state[name] * weight for state, weight in states) for name in states[0][0]})
    save(mean, options.target)
    shutil.copyfile(parts[0][0] / "tokenizer.json", options.target / "tokenizer.json")


if __name__ == "__main__":
    main()
