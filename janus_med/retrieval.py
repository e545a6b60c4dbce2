"""An index of signed studies by their embeddings: opaque keys and unit vectors, nothing of a patient.

Cosine similarity over all vectors at once: at 100,000 studies that is one product of a 51 MB matrix, so no
approximate search is needed. Embeddings of two models are not comparable, so an index belongs to one model.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from janus_med.errors import IndexUnusable

if TYPE_CHECKING:
    from pathlib import Path

    from janus_med.reading import ModelInfo

FORMAT = 1
INDEX = "index.json"
UNIT = 1e-3
"""How far the length of an embedding may be from one."""

_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
"""Room for a UUID or a keyed hash; a UID or a name has dots, spaces or carets and does not fit."""

_FILE = re.compile(r"embeddings-[0-9a-f]{16}\.safetensors")


@dataclass(frozen=True)
class EmbeddingSpace:
    """What must be equal for two embeddings to be comparable."""

    weights_sha256: str
    adapters_sha256: str
    preprocessing_sha256: str

    @classmethod
    def of(cls, info: ModelInfo) -> EmbeddingSpace:
        """The space of a loaded model."""
        return cls(info.weights_sha256, info.adapters_sha256, info.preprocessing_sha256)


@dataclass(frozen=True)
class Neighbour:
    """A study of the index and its cosine similarity, in [-1, 1]."""

    key: str
    similarity: float

    def to_json(self) -> dict[str, str | float]:
        """Ready for `json.dumps`."""
        return {"key": self.key, "similarity": round(self.similarity, 6)}


class StudyIndex:
    """Embeddings by study key.

    Parameters
    ----------
    space
        Of the model that made the embeddings.
    width
        E.
    """

    def __init__(self, space: EmbeddingSpace, width: int) -> None:
        self._space = space
        self._vectors = np.empty((0, width), dtype=np.float32)  # (capacity, E); rows past len(keys) are free
        self._keys: list[str] = []
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    @property
    def space(self) -> EmbeddingSpace:
        """Whose embeddings these are."""
        return self._space

    def require(self, space: EmbeddingSpace) -> None:
        """Raise `IndexUnusable` unless the index is of this space."""
        if self._space != space:
            names = [name for name, value in asdict(space).items() if getattr(self._space, name) != value]
            raise IndexUnusable(
                f"the index was built by another model ({', '.join(names)} differ): "
                "rebuild it from the signed studies"
            )

    def add(self, key: str, embedding: np.ndarray) -> None:
        """Add a study, or replace its embedding.

        Parameters
        ----------
        key
            Opaque: 8 to 64 letters, figures, hyphens or underscores.
        embedding
            (E,) float32, L2-normalised.

        Raises
        ------
        ValueError
            When the key could be a UID or a name, or the embedding is not a finite unit vector of width E.
        """
        if not _KEY.fullmatch(key):
            raise ValueError("a key is 8 to 64 letters, figures, hyphens or underscores: no UID, no name")
        vector = self._check(embedding)
        row = self._rows.get(key, len(self._keys))
        if row == len(self._keys):
            self._make_room()
            self._keys.append(key)
            self._rows[key] = row
        self._vectors[row] = vector

    def remove(self, key: str) -> None:
        """Remove a study; KeyError when it is not there."""
        row, last = self._rows.pop(key), len(self._keys) - 1
        moved = self._keys.pop()
        if row != last:
            self._keys[row], self._vectors[row], self._rows[moved] = moved, self._vectors[last], row
        self._vectors[last] = 0.0

    def search(
        self, embedding: np.ndarray, k: int, exclude: frozenset[str] = frozenset()
    ) -> tuple[Neighbour, ...]:
        """Find the most similar studies.

        Parameters
        ----------
        embedding
            (E,) float32, L2-normalised.
        k
            At least 1; fewer are returned when the index holds fewer.
        exclude
            Keys that are not wanted, such as the study's own.

        Returns
        -------
        tuple of Neighbour
            Most similar first; equals in the order of their keys.
        """
        if k < 1:
            raise ValueError("k must be at least 1")
        scores = self._vectors[: len(self._keys)] @ self._check(embedding)  # (M,)
        scores[[self._rows[key] for key in exclude if key in self._rows]] = -np.inf
        wanted = min(k, int(np.isfinite(scores).sum()))
        if not wanted:
            return ()
        # ties at the border are kept, so that equals do not depend on their rows
        border = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
        found = [(-float(scores[row]), self._keys[row]) for row in np.nonzero(scores >= border)[0]]
        return tuple(Neighbour(key, min(-score, 1.0)) for score, key in sorted(found)[:wanted])

    def _check(self, embedding: np.ndarray) -> np.ndarray:
        vector = np.asarray(embedding, dtype=np.float32)
        if vector.shape != (self._vectors.shape[1],) or not abs(float(np.linalg.norm(vector)) - 1.0) <= UNIT:
            raise ValueError(f"a unit vector of width {self._vectors.shape[1]} expected")
        return vector

    def _make_room(self) -> None:
        if len(self._keys) == len(self._vectors):
            grown = np.zeros((max(64, 2 * len(self._vectors)), self._vectors.shape[1]), dtype=np.float32)
            grown[: len(self._vectors)] = self._vectors
            self._vectors = grown

    def save(self, folder: Path) -> None:
        """Write the index; a crash at any moment leaves the old or the new one, whole.

        Parameters
        ----------
        folder
            Made when missing. The vectors go to a file named by its digest; ``index.json`` names it and is
            replaced last.
        """
        from safetensors.numpy import save

        folder.mkdir(parents=True, exist_ok=True)
        content = save({"embeddings": np.ascontiguousarray(self._vectors[: len(self._keys)])})
        digest = hashlib.sha256(content).hexdigest()
        name = f"embeddings-{digest[:16]}.safetensors"
        _replace(folder / name, content)
        description = {
            "format": FORMAT,
            "space": asdict(self._space),
            "width": self._vectors.shape[1],
            "embeddings": {"file": name, "sha256": digest},
            "keys": self._keys,
        }
        _replace(folder / INDEX, json.dumps(description).encode())
        for old in folder.glob("embeddings-*.safetensors"):
            if old.name != name:
                old.unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path, space: EmbeddingSpace) -> StudyIndex:
        """Read an index.

        Parameters
        ----------
        folder
            Of `save`.
        space
            Of the model that will search it.

        Raises
        ------
        IndexUnusable
            When it is missing, damaged, or of another model.
        """
        try:
            index = cls._read(folder)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise IndexUnusable(
                f"{folder}: no index that can be read ({type(error).__name__}): "
                "rebuild it from the signed studies"
            ) from error
        index.require(space)
        return index

    @classmethod
    def _read(cls, folder: Path) -> StudyIndex:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        description = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        index = cls(EmbeddingSpace(**description["space"]), int(description["width"]))
        stored = description["embeddings"]
        if description["format"] != FORMAT or not _FILE.fullmatch(stored["file"]):
            raise ValueError("format or file name unknown")
        content = (folder / stored["file"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != stored["sha256"]:
            raise ValueError("the embeddings are not those of the description")
        try:
            index._fill(description["keys"], load(content)["embeddings"])
        except SafetensorError as error:
            raise ValueError("not safetensors") from error
        return index

    def _fill(self, keys: list[str], vectors: np.ndarray) -> None:
        lengths = np.linalg.norm(vectors, axis=1)
        if not all(isinstance(key, str) and _KEY.fullmatch(key) for key in keys):
            raise ValueError("a key is not opaque")
        if vectors.shape != (len(keys), self._vectors.shape[1]) or len(set(keys)) != len(keys):
            raise ValueError("keys and embeddings do not fit")
        if vectors.dtype != np.float32 or not (abs(lengths - 1.0) <= UNIT).all():
            raise ValueError("embeddings are not unit vectors")
        self._vectors, self._keys = vectors.copy(), keys
        self._rows = {key: row for row, key in enumerate(keys)}


def _replace(path: Path, content: bytes) -> None:
    """Write beside, flush to the disk, rename over, and flush the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
