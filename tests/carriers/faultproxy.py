"""A line between a gateway and a carrier that breaks in a chosen way: real sockets, on this machine alone.

    gateway ── proxy, with its fault ── far end, which answers with given bytes and counts what it got
               └─ `elsewhere`, another server, which only counts who calls

All of it runs in one thread of its own; a test sets `fault` and `answer` before it sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from typing import Self

import attrs

LONGEST = 20.0
CHUNK = 64


@attrs.frozen(kw_only=True)
class Fault:
    """What the line does wrong; nothing by default."""

    latency: float = 0.0
    """Seconds before the answer passes."""
    bandwidth: int | None = None
    """Bytes a second of the answer."""
    drip_after: int | None = None
    """From this byte of the answer on, 20 bytes a second, one by one."""
    cut_request: int | None = None
    """Close after so many bytes of the request."""
    cut_answer: int | None = None
    """Close after so many bytes of the answer."""
    black_hole: bool = False
    """The answer never passes."""
    reset: bool = False
    """Reset the connection where the answer would pass."""
    half_close: bool = False
    """Say that nothing more will come, where the answer would pass, and go on listening."""
    close_at_second: bool = False
    """Close an idle connection in the moment in which its second request arrives."""
    tls: bool = False
    """Speak TLS, with a certificate nobody signed."""


class Line:
    """The proxy, the far end and the thread they run in."""

    def __init__(self, folder: Path) -> None:
        self._certificate = folder / "self-signed.pem"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []
        self.open = 0
        self.clear()

    def clear(self) -> None:
        """Forget the case before, once its connections are closed."""
        self.settled()
        self.fault = Fault()
        self.answer = b""
        self.requests: list[bytes] = []
        self.calls_elsewhere = 0
        self.open = self.connections = 0

    def __enter__(self) -> Self:
        _write_certificate(self._certificate)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self._certificate)
        self._thread.start()
        self.port = self._run(self._listen(self._pass))
        self.tls_port = self._run(self._listen(self._pass, self._tls))
        self._far = self._run(self._listen(self._far_end))
        self.elsewhere = self._run(self._listen(self._count))
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LONGEST)
        self._loop.close()

    def settled(self) -> int:
        """Return how many connections to the proxy are open, once they had a moment to close."""
        until = time.monotonic() + 2.0
        while self.open and time.monotonic() < until:
            time.sleep(0.002)
        return self.open

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LONGEST)

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        tasks = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # closed sockets are let go of in the loop's next rounds

    async def _listen(self, handle, tls: ssl.SSLContext | None = None) -> int:
        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.IncompleteReadError):
                try:
                    async with asyncio.timeout(LONGEST):
                        await handle(reader, writer)
                except asyncio.CancelledError:
                    writer.transport.abort()  # at the end: no time for manners
                    raise
            writer.close()

        server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    # --- the far end

    async def _far_end(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            self.requests.append(head + await reader.readexactly(length))
            writer.write(self.answer)
            await writer.drain()
            if self.answer.startswith(b"HTTP/1.0") or b"Connection: close" in self.answer:
                return

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG002
        self.calls_elsewhere += 1

    # --- the proxy

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far)
        try:
            there = asyncio.ensure_future(self._request(reader, far_writer))
            back = asyncio.ensure_future(self._answer(far_reader, writer))
            _, waiting = await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
        finally:
            far_writer.close()
            self.open -= 1

    async def _request(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        passed = requests = 0
        while data := await reader.read(65_536):
            requests += data.startswith(b"POST ")
            if self.fault.close_at_second and requests > 1:
                return
            if self.fault.cut_request is not None and passed + len(data) >= self.fault.cut_request:
                far.write(data[: self.fault.cut_request - passed])
                await far.drain()
                return
            passed += len(data)
            far.write(data)
            await far.drain()

    async def _answer(self, far: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await far.read(65_536):
            await asyncio.sleep(self.fault.latency)
            if self.fault.black_hole:
                continue
            if self.fault.reset:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return
            if self.fault.half_close:
                writer.write_eof()
                continue
            if self.fault.cut_answer is not None:
                writer.write(data[: self.fault.cut_answer - passed])
                await writer.drain()
                return
            await self._slowly(data, writer)
            passed += len(data)

    async def _slowly(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        fault = self.fault
        if fault.bandwidth is not None:
            for at in range(0, len(data), CHUNK):
                writer.write(data[at : at + CHUNK])
                await asyncio.sleep(CHUNK / fault.bandwidth)
        elif fault.drip_after is not None:
            writer.write(data[: fault.drip_after])
            for at in range(fault.drip_after, len(data)):
                writer.write(data[at : at + 1])
                await asyncio.sleep(0.05)
        else:
            writer.write(data)
            await writer.drain()


def _write_certificate(path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
