"""A network of a given length in front of a port: a relay that delivers everything one way's time late.

What a wire does to a connection is modelled for the handshake as well: the proxy hears of the connection one way
late, and the client's first byte cannot leave before its SYN has come back."""

import asyncio
import contextlib


class DelayRelay:
    """`one_way` seconds between the client and `port`; listens on self.port inside the context."""

    def __init__(self, port, one_way):
        self.target = port
        self.one_way = one_way
        self.port = None
        self.server = None
        self.tasks = set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            writer.close()

    async def _carry(self, reader, writer):
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.sleep(self.one_way)  # the SYN
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        established = begun + 2 * self.one_way  # for the client
        try:
            await asyncio.gather(self._pump(reader, far_writer, established),
                                 self._pump(far_reader, writer, 0))
        finally:
            far_writer.close()

    async def _pump(self, reader, writer, not_before):
        """Reads at once, writes one way later; what was read before `not_before` left then."""
        loop = asyncio.get_running_loop()
        queue = asyncio.Queue()

        async def deliver():
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0, due - loop.time()))
                if not data:
                    with contextlib.suppress(OSError):
                        writer.write_eof()
                    return
                writer.write(data)

        delivering = asyncio.create_task(deliver())
        try:
            while True:
                try:
                    data = await reader.read(65536)
                except OSError:
                    data = b""
                queue.put_nowait((max(loop.time(), not_before) + self.one_way, data))
                if not data:
                    break
            await delivering
        finally:
            delivering.cancel()
