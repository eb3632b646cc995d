"""Long-lived clients of a language model, which stream through tokenkeep's proxy and never see a token.

LLM_BASE_URL is http://127.0.0.1:8640/proxy/llm/v1, LLM_API_KEY the key that `tokenkeep key new` made for this program;
any text will do where no caller is configured. Each client is made once and streams ANSWERS answers of a length of its
own, one after the other. It tries nothing twice, so what fails is seen to fail.
"""

import asyncio
import os
import sys

import openai

ANSWERS = 5
LENGTHS = [10, 20, 40, 80]  # words; at 50 ms a word the last outlives a token of three seconds


async def chat(client, length, told):
    for _ in range(ANSWERS):
        try:
            stream = await client.chat.completions.create(
                model="sandbox",
                messages=[{"role": "user", "content": "How do you do?"}],
                max_tokens=length,
                stream=True,
            )
            said = ""
            async for chunk in stream:
                said += chunk.choices[0].delta.content or ""
        except openai.OpenAIError as error:
            told.append(None)
            print(f"FAILED: {error}", flush=True)
            continue
        words = len(said.split())
        told.append(words)
        print(f"an answer of {words} words" + ("" if words == length else f" BROKE OFF before {length}"), flush=True)
        if words != length:
            told[-1] = None


async def main():
    told = []
    clients = [
        openai.AsyncOpenAI(
            base_url=os.environ["LLM_BASE_URL"], api_key=os.environ.get("LLM_API_KEY", "none"), max_retries=0
        )
        for _ in LENGTHS
    ]
    await asyncio.gather(*(chat(client, length, told) for client, length in zip(clients, LENGTHS)))
    failed = told.count(None)
    print(f"{len(told)} answers, {failed} failed, in process {os.getpid()}", flush=True)
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
