"""Several questions at once, each with an id that makes it safe to run this again: `python many_questions.py`."""

import asyncio
import os

from olo_client import AsyncOlo, OloError

QUESTIONS = {
    "water": "Where does the drinking water of Saltmere come from?",
    "comet": "When was the comet Brandmark first seen?",
}


async def main() -> None:
    async with AsyncOlo(os.environ.get("OLO_TARGET", "127.0.0.1:50051")) as olo:

        async def ask(name: str, question: str) -> None:
            try:
                answer = await olo.chat(
                    question, collection="demo", top_k=4, priority="batch", request_id=f"example-{name}", retry=True
                )
            except OloError as error:
                print(name, "failed:", error.reason, error.message)
            else:
                print(name, answer.message.content)

        async with asyncio.TaskGroup() as tasks:
            for name, question in QUESTIONS.items():
                tasks.create_task(ask(name, question))


asyncio.run(main())
