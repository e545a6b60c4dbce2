"""A FHIR server and a STOW-RS server in a thread: real HTTP, small memory, strict about what they take."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Behaviour = Callable[[], Response | None]


@dataclass
class FhirServer:
    """Takes transactions as R4 says: conditional update and conditional create, all of it or nothing.

    Attributes
    ----------
    script
        Answers of the next requests instead of the server's own: a status, or ``lost`` for "done, but 504".
    """

    url: str = ""
    script: list[int | str] = field(default_factory=list)
    held: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [resource for (held, _), resource in self.held.items() if held == kind]

    async def take(self, request: Request) -> Response:
        bundle = await request.json()
        self.requests.append(bundle)
        self.tokens.append(request.headers.get("authorization", ""))
        behaviour = self.script.pop(0) if self.script else None
        if isinstance(behaviour, int):
            return JSONResponse(_outcome("processing", "Jane Doe is unknown"), behaviour)
        answer = await run_in_threadpool(self._transact, bundle)
        return Response(status_code=504) if behaviour == "lost" else answer

    def _transact(self, bundle: dict[str, Any]) -> Response:
        from fhir.resources.R4B.bundle import Bundle
        from pydantic import ValidationError

        try:
            Bundle.model_validate(bundle)
        except ValidationError:
            return JSONResponse(_outcome("structure", "invalid"), 422)
        statuses = [self._put(entry) for entry in bundle["entry"]]
        entries = [{"response": {"status": status}} for status in statuses]
        return JSONResponse(
            {"resourceType": "Bundle", "type": "transaction-response", "entry": entries},
            media_type="application/fhir+json",
        )

    def _put(self, entry: dict[str, Any]) -> str:
        request, resource = entry["request"], entry["resource"]
        query = parse_qs(urlsplit(request["url"]).query or request.get("ifNoneExist", ""))
        [condition] = query.get("identifier") or query.get("_tag") or [""]
        assert condition, "neither conditional update nor conditional create"
        key = (resource["resourceType"], condition)
        known = key in self.held
        if request["method"] == "PUT" or not known:
            self.held[key] = resource
        return "200 OK" if known else "201 Created"


def _outcome(code: str, text: str) -> dict[str, Any]:
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": text}],
    }


@dataclass
class StowServer:
    """Keeps what it gets; says 409 with 0x0111 for what it has.

    Attributes
    ----------
    script
        (status, failure reason) of the next requests.
    """

    url: str = ""
    script: list[tuple[int, int | None]] = field(default_factory=list)
    held: dict[str, bytes] = field(default_factory=dict)

    async def take(self, request: Request) -> Response:
        import io

        from pydicom import dcmread

        body = await request.body()
        boundary = request.headers["content-type"].split("boundary=")[1].encode()
        parts = [p.split(b"\r\n\r\n", 1)[1][:-2] for p in body.split(b"--" + boundary)[1:-1]]
        uids = {str(dcmread(io.BytesIO(part)).SOPInstanceUID): part for part in parts}
        status, reason = self.script.pop(0) if self.script else (200, None)
        if reason is None and status == 200:
            doubles = [uid for uid in uids if uid in self.held]
            self.held |= uids
            status, reason = (409, 0x0111) if doubles else (200, None)
        failed = [{"00081197": {"vr": "US", "Value": [reason]}}] if reason is not None else []
        answer = {"00081198": {"vr": "SQ", "Value": failed}} if failed else {}
        return Response(json.dumps(answer), status, media_type="application/dicom+json")


@contextmanager
def run_web(server: FhirServer | StowServer) -> Iterator[Any]:
    """Serve until the block ends."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        path = "/fhir" if isinstance(server, FhirServer) else "/dicom-web/studies"
        app = Starlette(routes=[Route(path, server.take, methods=["POST"])])
        base = f"http://127.0.0.1:{bound.getsockname()[1]}"
        server.url = base + path.removesuffix("/studies")
        runner = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=runner.run, kwargs={"sockets": [bound]})
        thread.start()
        while not runner.started:
            time.sleep(0.01)
        try:
            yield server
        finally:
            runner.should_exit = True
            thread.join(20)
