"""A name server on a loopback port that knows what a test tells it."""

import threading
from collections.abc import Mapping
from socketserver import BaseRequestHandler, ThreadingUDPServer
from typing import Any, Final, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

#: By name and type: what stands there. A name without any entry is not there.
Zone = Mapping[str, Mapping[str, list[str]]]
#: A record under this type makes the server say nothing at all.
MUTE: Final = "MUTE"


class NameServer:
    """Serves *zone* until it is left; the zone may be replaced meanwhile."""

    def __init__(self, zone: Zone | None = None) -> None:
        self.zone: Zone = zone or {}
        self.asked: list[str] = []
        known = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                data, socket = self.request
                if (answer := known._answer(data)) is not None:
                    socket.sendto(answer.to_wire(), self.client_address)

        self._server = ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _answer(self, data: bytes) -> dns.message.Message | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        for _ in range(8):  # aliases
            there = self.zone.get(name)
            if there is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
                return answer
            if MUTE in there:
                return None
            if "CNAME" not in there:
                break
            target = there["CNAME"][0]
            self._add(answer, name, "CNAME", [f"{target}."])
            name = target
        kind = dns.rdatatype.to_text(question.rdtype)
        if values := self.zone.get(name, {}).get(kind):
            self._add(answer, name, kind, values)
        return answer

    @staticmethod
    def _add(answer: dns.message.Message, name: str, kind: str, values: list[Any]) -> None:
        texts = [_quoted(value) if kind == "TXT" else value for value in values]
        answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *texts))


def _quoted(text: str) -> str:
    """*text* in strings of at most 255 characters, as long keys come."""
    parts = [text[at : at + 255] for at in range(0, len(text), 255)]
    return " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)
