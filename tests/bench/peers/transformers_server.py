"""Generates with transformers on what waits. Runs in the Python of the peers, not in ours.

Usage: python transformers_server.py CHECKPOINT ROWS THREADS

Reads a request in each line, `{"id": 1, "prompt": [5, 6], "tokens": 8}`; writes `{"id": 1, "first": true}` with its
first token and `{"id": 1, "answer": [7, 8]}` when it has ended. Up to ROWS requests that wait go into one call of
`generate`, sorted by nothing, as its batches are used.
"""

from __future__ import annotations

import json
import queue
import sys
import threading

import torch
from transformers import AutoModelForCausalLM, StoppingCriteria, StoppingCriteriaList


def say(**news: object) -> None:
    print(json.dumps(news), flush=True)


class Watch(StoppingCriteria):
    """Ends each row at its own length, and tells what it has become."""

    def __init__(self, requests: list[dict], start: int, end: int) -> None:
        self.requests, self.start, self.end = requests, start, end
        self.done = [False] * len(requests)
        self.begun = False

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        if not self.begun:
            self.begun = True
            for request in self.requests:
                say(id=request["id"], first=True)
        for row, request in enumerate(self.requests):
            answer = input_ids[row, self.start :].tolist()
            if not self.done[row] and (len(answer) >= request["tokens"] or answer[-1] == self.end):
                self.done[row] = True
                say(id=request["id"], answer=[token for token in answer if token != self.end])
        return torch.tensor(self.done)


def main(checkpoint: str, rows: int, threads: int) -> None:
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    end = model.config.eos_token_id
    waiting: queue.Queue[dict | None] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(json.loads(line))
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    say(ready=True)
    while (request := waiting.get()) is not None:
        requests = [request]
        while len(requests) < rows and not waiting.empty():
            if (more := waiting.get()) is None:
                waiting.put(None)
                break
            requests.append(more)
        longest = max(len(request["prompt"]) for request in requests)
        short = [longest - len(request["prompt"]) for request in requests]
        prompts = [[0] * gap + request["prompt"] for gap, request in zip(short, requests, strict=True)]
        mask = [[0] * gap + [1] * (longest - gap) for gap in short]
        with torch.inference_mode():
            model.generate(
                torch.tensor(prompts),
                attention_mask=torch.tensor(mask),
                max_new_tokens=max(request["tokens"] for request in requests),
                do_sample=False,
                pad_token_id=0,
                stopping_criteria=StoppingCriteriaList([Watch(requests, longest, end)]),
            )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
