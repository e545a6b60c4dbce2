"""The addresses of DICOMweb below `/dicomweb` (PS3.18 tables 10.1-1 and 10.4.1-1)."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route

from app.dicomweb.answers import PREFIX, Endpoint, Service, answering
from app.dicomweb.caller import Callers
from app.dicomweb.frames import Frames
from app.dicomweb.metadata import Metadata
from app.dicomweb.objects import SpoolObjects
from app.dicomweb.rendered import Rendered
from app.dicomweb.retrieve import Retrievals
from app.dicomweb.search import Searches
from app.dicomweb.stow import Patience, Stow
from app.ui.room import Room
from pacs_bridge.durable import FreeSpaceFloor
from pacs_bridge.sink import SpoolSink
from pacs_bridge.spool import Spool

_STUDY = "/studies/{study_uid:str}"
_SERIES = _STUDY + "/series/{series_uid:str}"
_INSTANCE = _SERIES + "/instances/{sop_uid:str}"


def dicomweb_routes(
    room: Room, *, floor: FreeSpaceFloor | None = None, patience: Patience | None = None
) -> list[BaseRoute]:
    """Return the routes; the process joins the spool and may store from now on.

    Parameters
    ----------
    room
        Whose database, accounts, settings and decoder are used.
    floor
        Low-water mark of the spool's disk; that of the settings when absent.
    patience
        Time that a sender has; the usual when absent.
    """
    settings = room.settings
    floor = floor or FreeSpaceFloor(size=int(settings.free_space_floor_gb * 1e9))
    spool = Spool(settings.spool_dir, floor=floor)
    spool.join()
    service = Service(room, Callers(room))
    objects = SpoolObjects(settings.spool_dir)
    stow = Stow(service, SpoolSink(spool), spool.layout.temp, patience)
    routes: list[BaseRoute] = [
        *_routes(service, "stow", {"/studies": stow.store, _STUDY: stow.store}, "POST"),
        *_routes(service, "qido", _search_endpoints(Searches(service, objects))),
        *_routes(service, "wado", _retrieval_endpoints(service, objects)),
    ]
    # everything else below the prefix is ours to refuse: it must not fall through to a page
    return [Mount(PREFIX, routes=[*routes, Mount("/", app=PlainTextResponse("not found\n", 404))])]


def _search_endpoints(searches: Searches) -> dict[str, Endpoint]:
    return {
        "/studies": searches.studies,
        "/series": searches.series,
        "/instances": searches.instances,
        _STUDY + "/series": searches.series,
        _STUDY + "/instances": searches.instances,
        _SERIES + "/instances": searches.instances,
    }


def _retrieval_endpoints(service: Service, objects: SpoolObjects) -> dict[str, Endpoint]:
    retrievals, metadata = Retrievals(service, objects), Metadata(service, objects)
    frames, rendered = Frames(service, objects), Rendered(service, objects)
    return {
        **dict.fromkeys((_STUDY, _SERIES, _INSTANCE), retrievals.retrieve),
        **dict.fromkeys([f"{part}/metadata" for part in (_STUDY, _SERIES, _INSTANCE)], metadata.metadata),
        _INSTANCE + "/frames/{frames:str}": frames.frames,
        _INSTANCE + "/bulkdata/{tag:str}": frames.bulk_data,
        _INSTANCE + "/rendered": rendered.render,
        _INSTANCE + "/frames/{frames:str}/rendered": rendered.render,
    }


def _routes(
    service: Service, name: str, endpoints: dict[str, Endpoint], method: str = "GET"
) -> list[BaseRoute]:
    return [
        Route(path, answering(service, name, endpoint), methods=[method])
        for path, endpoint in endpoints.items()
    ]
