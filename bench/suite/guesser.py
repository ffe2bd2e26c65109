"""Guesses passwords: python3 -m suite.guesser PORT RATE SECONDS. One address, a connection and a name for each
attempt, made when they are due whatever became of those before. Prints what the answers were, as JSON."""

import asyncio
import collections
import json
import re
import ssl
import sys
import time

ADDRESS = "127.0.0.66"
PATIENCE_S = 60


def without_verification():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def guess(port, number, tls):
    """The response code of the refusal, or what else happened."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, local_addr=(ADDRESS, 0))
    try:
        writer.write(f"a LOGIN guessed{number:06}@example.org guess{number}\r\n".encode())
        while line := await reader.readline():
            if line.startswith((b"a ", b"* BYE")):
                code = re.search(rb"\[([A-Z]+)", line)
                return code.group(1).decode() if code else "OK" if line.startswith(b"a OK") else "no code"
        return "closed"
    finally:
        writer.close()


async def answer_of(port, number, tls):
    try:
        return await asyncio.wait_for(guess(port, number, tls), PATIENCE_S)
    except TimeoutError:
        return "no answer"
    except OSError:
        return "closed"


async def storm(port, rate, seconds):
    tls = without_verification()
    begun = time.monotonic()
    under_way = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0, begun + number / rate - time.monotonic()))
        under_way.append(asyncio.create_task(answer_of(port, number, tls)))
    made_in = time.monotonic() - begun
    for task in under_way:  # the connections of those not answered yet end with this process
        if not task.done():
            task.cancel()
    answers = [task.result() for task in under_way if task.done() and not task.cancelled()]
    return {"rate": len(under_way) / made_in, "answers": collections.Counter(answers),
            "waiting": len(under_way) - len(answers)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(storm(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))))
