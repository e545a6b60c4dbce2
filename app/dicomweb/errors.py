"""Refusals of DICOMweb and the HTTP status each becomes (PS3.18 8.5).

::

    app.domain.errors.Rejected
     ├── BadRequest             400  the request cannot be understood
     ├── NotAcceptable          406  nothing that the client takes can be made of what is stored
     ├── TooLarge               413  more than is taken in one request
     ├── UnsupportedMedia       415  the body is of another kind
     └── Busy                   503  too many such requests at a time
"""

from __future__ import annotations

from app.domain.errors import Rejected


class BadRequest(Rejected):
    """The request cannot be understood; the message says what is wrong with it."""

    status = 400


class NotAcceptable(Rejected):
    """Nothing that the client takes can be made of what is stored."""

    status = 406


class TooLarge(Rejected):
    """More than is taken in one request."""

    status = 413


class UnsupportedMedia(Rejected):
    """The body is of another media type than the service takes."""

    status = 415


class Busy(Rejected):
    """Too many such requests at a time: try again."""

    status = 503
