"""Scripts and styles: served under an address of their content, and free of what lets text become markup."""

from __future__ import annotations

import json
import re

import pytest

from app.ui.components.files import FOLDER, asset_names, asset_url
from tests import bundle_stamp
from tests.ui.conftest import Browser

SCRIPTS = sorted(name for name in asset_names() if name.startswith("js/") and name.endswith(".js"))


def test_current_files_are_kept_for_good_and_old_addresses_are_not(stranger: Browser) -> None:
    current = stranger.get(asset_url("js/editor.js"))
    assert (current.status_code, current.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "immutable" in current.headers["cache-control"]
    old = stranger.get("/assets/0000000000000000/js/editor.js")
    assert old.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["login.html", "../room.py", "js/../files.py", "files.py", "js/none.js", ""])
def test_nothing_else_is_served(stranger: Browser, name: str) -> None:
    assert stranger.get(asset_url(name)).status_code in {307, 401, 404}


@pytest.mark.covers("T27")
@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_turns_text_into_markup(name: str) -> None:
    source = (FOLDER / name).read_text()
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", source
    )
    assert found == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_small_and_import_what_is_there(name: str) -> None:
    source = (FOLDER / name).read_text()
    assert len(source.splitlines()) <= 300
    for imported in re.findall(r'from "(\./[\w.]+)"', source):
        assert (FOLDER / "js" / imported).is_file()


def test_shipped_image_library_was_built_of_the_sources_beside_it() -> None:
    assert json.loads(bundle_stamp.STAMP.read_text()) == bundle_stamp.stamp(), "run `make ui`"


def test_image_library_is_served_and_carries_its_licences(stranger: Browser) -> None:
    assert stranger.get(asset_url("cornerstone/cornerstone.js")).status_code == 200
    licences = (FOLDER / "cornerstone" / "LICENSES.md").read_text()
    assert "@cornerstonejs/core" in licences
    assert "@kitware/vtk.js" in licences
