"""Addresses where there is no backend."""

import socket


class Refusing:
    """An address where connects are refused, held so that nobody else gets the port."""

    def __init__(self, host="127.0.0.1"):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind((host, 0))
        self.address = "{}:{}".format(*self._socket.getsockname())

    def close(self):
        self._socket.close()


class Unanswering:
    """An address where a connect gets no answer: the listen queue is full for ever."""

    def __init__(self, host="127.0.0.1"):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind((host, 0))
        self._socket.listen(0)
        self.address = "{}:{}".format(*self._socket.getsockname())
        self._fillers = []
        for _ in range(4):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex(self._socket.getsockname())
            self._fillers.append(filler)

    def close(self):
        for filler in self._fillers:
            filler.close()
        self._socket.close()
