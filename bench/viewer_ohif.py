"""OHIF's viewer over Orthanc on this machine: its published build behind nginx, one origin for both.

Needs npm and its registry, Debian's `orthanc`, `orthanc-dicomweb` and `nginx-light`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.orthanc import run_orthanc
from tests.ports import free_port

VERSION = "3.12.10"
_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_NGINX = Path("/usr/sbin/nginx")
_CONFIGURATION = """localStorage.setItem("shownTours", JSON.stringify(["basicViewerTour"]));
window.config = {
  routerBasename: null, extensions: [], modes: [], showStudyList: true, maxNumberOfWebWorkers: 3,
  showWarningMessageForCrossOrigin: false, showCPUFallbackMessage: false, showLoadingIndicator: true,
  investigationalUseDialog: { option: "never" },
  defaultDataSourceName: "dicomweb",
  dataSources: [{
    namespace: "@ohif/extension-default.dataSourcesModule.dicomweb", sourceName: "dicomweb",
    configuration: {
      friendlyName: "Orthanc", name: "orthanc", wadoUriRoot: "/wado", qidoRoot: "/dicom-web",
      wadoRoot: "/dicom-web", qidoSupportsIncludeField: false, imageRendering: "wadors",
      thumbnailRendering: "wadors", enableStudyLazyLoad: true, supportsFuzzyMatching: false,
      supportsWildcard: true, staticWado: false, singlepart: "",
    },
  }],
};
"""
_SERVER = """daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  include /etc/nginx/mime.types;
  access_log off; sendfile on; client_max_body_size 0; keepalive_requests 100000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream orthanc {{ server 127.0.0.1:{orthanc}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    root {dist};
    location / {{ try_files $uri /index.html; }}
    location /dicom-web {{
      proxy_pass http://orthanc; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_buffering on; proxy_max_temp_file_size 0;
    }}
  }}
}}
"""


@contextmanager
def run_ohif(folder: Path, files: Sequence[Path]) -> Iterator[str]:
    """Serve OHIF with these images until the block ends; yield its address."""
    missing = [part for part, here in _needed().items() if not here]
    if missing:
        raise RuntimeError(f"OHIF cannot be measured here without {', '.join(missing)}")
    dist = _fetch(folder)
    web = {"DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
    with run_orthanc(folder, plugins=(_PLUGIN,), StableAge=1, **web) as orthanc:
        for file in files:
            orthanc.store(file.read_bytes())
        port = free_port()
        server = folder / "nginx.conf"
        server.write_text(_SERVER.format(folder=folder, orthanc=orthanc.http_port, port=port, dist=dist))
        process = subprocess.Popen([_NGINX, "-c", server, "-p", folder, "-g", "user root;"])
        try:
            _wait_for(f"http://127.0.0.1:{port}/dicom-web/studies", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _needed() -> dict[str, bool]:
    return {
        "npm": shutil.which("npm") is not None,
        "orthanc-dicomweb": _PLUGIN.exists(),
        "nginx-light": _NGINX.is_file(),
    }


def _fetch(folder: Path) -> Path:
    """Return the folder of the published build."""
    pack = ["npm", "pack", "--silent", f"@ohif/app@{VERSION}"]
    name = subprocess.run(pack, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder, filter="data")
    dist = folder / "package" / "dist"
    (dist / "app-config.js").write_text(_CONFIGURATION)
    return dist


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError("nginx has ended: see nginx.log in its folder")
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if json.loads(answer.read()):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{address} lists no study")
