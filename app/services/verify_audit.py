#!/usr/bin/env python3
"""Verify an export of the Janus-Med audit log without Janus-Med.

    python3 verify_audit.py BUNDLE.zip [--key ID]        a bundle, as it was exported
    python3 verify_audit.py LOG --keys KEY.pem [...]     a file of a bundle, with the public keys you trust

Needs Python 3.9 and the package "cryptography", nothing else. Ends with status 0 when everything holds, and
names the first entry that does not. What it cannot know is whether the key is the hospital's: compare the id
that it prints with the one that the hospital publishes, or name the one you expect with --key.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import itertools
import json
import math
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import unescape

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

GENESIS = "0" * 64
HEADING, CLOSING = "janus_med_audit", "janus_med_audit_end"
BODY = (
    "seq", "at", "event", "outcome", "username", "role", "source", "patient_ref", "study_uid", "detail",
    "previous",
)  # fmt: skip
COLUMNS = (*BODY, "digest", "link")
CHECKPOINT, PURPOSE = "audit checkpoint", "janus-med audit checkpoint 1"


Entry = dict[str, Any]


class Broken(Exception):
    """What does not hold."""


def canonical(value: Any) -> str:
    """Return a JSON value in its canonical form (RFC 8785)."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value) if abs(value) < 2**53 else number(float(value))
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    ordered = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(canonical(name) + ":" + canonical(part) for name, part in ordered) + "}"


def number(value: float) -> str:
    """Return a number as ECMAScript writes it: the shortest digits, and its own rule for the exponent."""
    if not math.isfinite(value):
        raise Broken("a number that JSON does not have")
    if value == 0:
        return "0"
    sign, value = ("-" if value < 0 else ""), abs(value)
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, part = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = whole + part
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    tail = ("." + digits[1:]) if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def digest_of(entry: Entry) -> str:
    """Return the digest that belongs to the content of an entry."""
    return hashlib.sha256(canonical({name: entry[name] for name in BODY}).encode()).hexdigest()


class Keys:
    """The public keys that are trusted, by their id."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        self.known: dict[str, Any] = {}
        for text in texts:
            key = load_pem_public_key(text)
            raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
            self.known[hashlib.sha256(raw).hexdigest()[:16]] = key

    def require(self, key_id: str, seal: str, message: bytes, what: str) -> None:
        """Check a seal, or say what it should have sealed."""
        try:
            self.known[key_id].verify(bytes.fromhex(seal), message)
        except (KeyError, ValueError, TypeError, InvalidSignature):
            raise Broken(f"{what} has no seal of a trusted key") from None


class Walk:
    """One walk over the entries of an export."""

    def __init__(self, heading: Entry, keys: Keys, checkpoints: Sequence[Entry] = ()) -> None:
        self.heading, self.keys = heading, keys
        self.whole = heading["whole"]
        self.seq, self.digest, self.count = 0, GENESIS, 0
        self.checkpoints = self.covered = 0
        self.kept = {mark["detail"]["seq"]: mark["detail"]["digest"] for mark in checkpoints}

    def step(self, entry: Entry) -> None:
        """Look at the next entry."""
        seq = entry["seq"]
        if self.whole and seq != self.seq + 1:
            raise Broken(f"entry {self.seq + 1} is missing: found entry {seq} in its place")
        if seq <= self.seq or seq > self.heading["head"]["seq"]:
            raise Broken(f"entry {seq} is not in its place: it stands after entry {self.seq}")
        if seq == self.seq + 1 and entry["previous"] != self.digest and (self.whole or self.count):
            raise Broken(f"entry {seq} does not follow entry {self.seq}: its link to it is broken")
        if digest_of(entry) != entry["digest"]:
            raise Broken(f"entry {seq} was altered: its digest does not match its content")
        if self.kept.get(seq, entry["digest"]) != entry["digest"]:
            raise Broken(f"entry {seq} is another than the one that a checkpoint sealed")
        if entry["event"] == CHECKPOINT:
            self.check(entry)
        self.seq, self.digest, self.count = seq, entry["digest"], self.count + 1

    def check(self, entry: Entry) -> None:
        """Look at a checkpoint."""
        detail = check_seal(entry, self.keys)
        if self.whole and detail["number"] != self.checkpoints + 1:
            raise Broken(f"the checkpoint in entry {entry['seq']} is out of its order: one is missing")
        self.checkpoints, self.covered = self.checkpoints + 1, detail["seq"]

    def end(self, count: Any, link: Any, own_link: str) -> None:
        """Look at the closing line."""
        head = self.heading["head"]
        if self.whole and (self.seq, self.digest) != (head["seq"], head["digest"]):
            raise Broken(f"entry {self.seq + 1} is missing: the log's head was entry {head['seq']}")
        if (count, link) != (self.count, own_link):
            raise Broken(f"after entry {self.seq} some are missing: {count} were exported")


def check_seal(entry: Entry, keys: Keys) -> Entry:
    """Check the seal of a checkpoint and that it seals its own place; return what it says."""
    what, detail = f"the checkpoint in entry {entry['seq']}", entry["detail"]
    try:
        body = {name: detail[name] for name in ("number", "seq", "digest", "occasion")}
        body.update(purpose=PURPOSE, at=entry["at"])
        keys.require(detail["key_id"], detail["seal"], canonical(body).encode(), what)
    except KeyError:
        raise Broken(f"{what} does not say what a checkpoint says") from None
    if (detail["seq"], detail["digest"]) != (entry["seq"] - 1, entry["previous"]):
        raise Broken(f"{what} was made for another place of the log")
    return detail


def verify(lines: Iterator[str | Entry], keys: Keys, checkpoints: Sequence[Entry] = ()) -> Walk:
    """Verify the lines of an export: heading, entries, closing line; return the walk."""
    first = str(next(lines, ""))
    heading = parse(first, "the heading")
    if HEADING not in heading:
        raise Broken("this is not an export of the audit log")
    walk, link = Walk(heading, keys, checkpoints), hashlib.sha256(first.encode()).hexdigest()
    for line in lines:
        after = f"the line after entry {walk.seq}" if walk.count else "the line after the heading"
        entry = line if isinstance(line, dict) else parse(line, after)
        if CLOSING in entry:
            walk.end(entry.get("count"), entry.get("link"), link)
            if next(lines, None) is not None:
                raise Broken("there is something after the closing line")
            return walk
        if set(entry) != set(COLUMNS) or type(entry["seq"]) is not int:
            raise Broken(f"{after} is not an entry of the log")
        walk.step(entry)
        link = hashlib.sha256((link + entry["digest"]).encode()).hexdigest()
        if entry["link"] != link:
            raise Broken(f"entry {entry['seq']} did not stand there when it was exported")
    raise Broken(f"the end is cut off after entry {walk.seq}: the closing line is missing")


def parse(text: str, what: str) -> Entry:
    """Return the JSON object in a text."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise Broken(f"{what} cannot be read")
    return fields


def read_jsonl(file: Iterator[str]) -> Iterator[str | Entry]:
    """Give the lines of a JSON Lines export."""
    for line in file:
        yield line.rstrip("\r\n")


def read_csv(file: Iterator[str]) -> Iterator[str | Entry]:
    """Give the heading of a CSV export, then its lines as fields."""
    rows = csv.reader(file, strict=True)
    yield next(rows)[1]
    if tuple(next(rows, ())) != COLUMNS:
        raise Broken("the line with the names of the columns was altered")
    for row in rows:
        if len(row) == 2 and row[0] == CLOSING:
            yield row[1]
            continue
        cells = [cell[1:] if cell.startswith("'") else cell for cell in row]
        fields: Entry = dict(zip(COLUMNS, cells))  # noqa: B905 - Python 3.9
        try:
            fields["seq"], fields["detail"] = int(fields["seq"]), json.loads(fields["detail"])
        except (KeyError, ValueError):
            raise Broken(f"the line {','.join(row)[:60]} cannot be read") from None
        yield fields


def read_xml(file: Iterator[str]) -> Iterator[str | Entry]:
    """Give the entries that the messages of a DICOM audit export carry."""
    entry: Entry | None = None
    for line in file:
        if line.startswith(("<Heading>", "<Closing>")):
            yield unescape(line.split(">", 1)[1].rsplit("<", 1)[0])
        elif line.startswith("<Link>") and entry is not None:
            entry["link"] = line[6:70]
            yield entry
        elif line.startswith("<AuditMessage>"):
            entry = read_message(line)


def read_message(line: str) -> Entry:
    """Return the entry in an audit message."""
    found = dict(re.findall(r'<ParticipantObjectDetail type="(entry|digest)" value="([^"]*)"', line))
    try:
        entry = json.loads(base64.b64decode(found["entry"], validate=True))
        entry["digest"] = base64.b64decode(found["digest"], validate=True).decode()
    except (KeyError, ValueError, TypeError):
        raise Broken(f"the message {line[:60]} holds no entry") from None
    return entry


def read_fhir(file: Iterator[str]) -> Iterator[str | Entry]:
    """Give the entries that the resources of a FHIR export carry."""
    for line in file:
        resource = parse(line, "a resource")
        parts = {
            part["url"].rsplit("/", 1)[-1]: part["valueString"] for part in resource.get("extension", ())
        }
        if resource.get("resourceType") == "AuditEvent":
            entry = parse(parts.get("entry", ""), "the entry of a resource")
            entry.update(digest=parts.get("digest"), link=parts.get("link"))
            yield entry
        else:
            yield parts.get("heading") or parts.get("closing") or ""


def choose(start: str) -> Callable[[Iterator[str]], Iterator[str | Entry]]:
    """Return the reader of a file that begins so."""
    if start.startswith("<?xml"):
        return read_xml
    if start.startswith(HEADING):
        return read_csv
    return read_fhir if '"resourceType"' in start.split("\n", 1)[0] else read_jsonl


def verify_log(binary: IO[bytes], keys: Keys, checkpoints: Sequence[Entry] = ()) -> Walk:
    """Verify an export that is open for reading bytes."""
    file = io.TextIOWrapper(binary, encoding="utf-8", newline="")
    start = file.readline()
    return verify(choose(start)(itertools.chain([start], file)), keys, checkpoints)


def verify_bundle(path: str, expected: str) -> tuple[Walk, str]:
    """Verify a bundle: manifest, keys, checkpoints, log."""
    with zipfile.ZipFile(path) as bundle:
        names = bundle.namelist()
        keys = Keys(bundle.read(name) for name in names if name.endswith(".pem"))
        manifest, seal = bundle.read("manifest.json"), bundle.read("manifest.seal").decode().strip()
        listed = parse(manifest.decode(), "the manifest")
        if expected and listed.get("key_id") != expected:
            raise Broken(f"the bundle was sealed with the key {listed.get('key_id')}, not with {expected}")
        keys.require(str(listed.get("key_id")), seal, manifest, "the manifest")
        if sorted(listed["files"]) != sorted(set(names) - {"manifest.json", "manifest.seal"}):
            raise Broken("the bundle holds other files than its manifest names")
        for name, digest in listed["files"].items():
            with bundle.open(name) as file:
                if digest_file(file) != digest:
                    raise Broken(f"the file {name} of the bundle was altered")
        marks = [
            parse(line, "a checkpoint") for line in bundle.read("checkpoints.jsonl").decode().splitlines()
        ]
        for mark in marks:
            if digest_of(mark) != mark["digest"]:
                raise Broken(f"the checkpoint in entry {mark['seq']} was altered")
            check_seal(mark, keys)
        with bundle.open(listed["log"]) as log:
            return verify_log(log, keys, marks), listed["key_id"]


def digest_file(file: IO[bytes]) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    for part in iter(lambda: file.read(1 << 20), b""):
        digest.update(part)
    return digest.hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verification and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--key", default="", help="id of the key that you expect")
    parser.add_argument("--keys", nargs="*", default=(), help="public keys that you trust, for a single file")
    asked = parser.parse_args(arguments)
    try:
        if zipfile.is_zipfile(asked.file):
            walk, key_id = verify_bundle(asked.file, asked.key)
            print(f"sealed with the key {key_id}: compare it with the id that the hospital publishes")
        else:
            keys = Keys(Path(name).read_bytes() for name in asked.keys)
            with Path(asked.file).open("rb") as file:
                walk = verify_log(file, keys)
    except (Broken, KeyError, UnicodeDecodeError, csv.Error, zipfile.BadZipFile) as error:
        print(f"NOT VERIFIED: {error}")
        return 1
    kind = "the whole log" if walk.whole else "a selection: what lies between its entries is not in it"
    print(f"{walk.count} entries verified ({kind}), head {walk.heading['head']}")
    print(f"{walk.checkpoints} checkpoints hold, the last covers entry {walk.covered}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
