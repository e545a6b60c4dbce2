"""Routing rules in the processes: the command line's tester, the listener, the models that rules name.

Covered: `rules test` and `rules check` by subprocess, `doctor`, a listener whose file changes.
Not covered: several called AE titles on one listener, where one process answers to one title.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread

from app.destinations import Hl7Destination
from app.domain.access import service_actor
from app.domain.errors import Rejected
from app.domain.routing import Routing
from app.domain.study import Study, StudyState
from app.services.destinations import choose_destinations
from app.settings import Destination, Settings
from app.store.engine import Store, open_store
from app.store.migrate import upgrade
from app.workers.draft import DraftStudy, ModelOnDemand, NamedModels
from pacs_bridge.destination import Destination as Peer
from pacs_bridge.store_scu import send_instances
from tests.workers.conftest import wait_until
from tests.workers.processes import Process, system_settings
from tests.workers.stories import receive
from tests.workers.test_cli import janus_med

RULES = """
[[rules]]
name = "chest first"
when = 'Modality == "CR" and "CHEST" in BodyPartExamined.upper()'
priority = "stat"

[[rules]]
name = "night room"
for_ae = "NIGHT"
when = 'calling_ae == "ER"'
draft = false
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(RULES)
    return path


@pytest.mark.slow
def test_tester_prints_each_rule_with_its_values_and_the_decision(file: Path, chest_radiograph: Path) -> None:
    done = janus_med("rules", "test", str(chest_radiograph), "--rules", str(file))
    assert done.returncode == 0, done.stderr
    assert "chest first: fired" in done.stdout
    assert "BodyPartExamined = 'CHEST'" in done.stdout
    assert "night room: is for another AE title" in done.stdout
    assert "priority stat: rule: chest first" in done.stdout
    told = janus_med(
        "rules", "test", str(chest_radiograph), "--rules", str(file), "--calling", "ER", "--called", "NIGHT"
    )
    assert "no AI draft: rule: night room" in told.stdout


@pytest.mark.slow
def test_statuses_tell_what_is_wrong(file: Path, chest_radiograph: Path, tmp_path: Path) -> None:
    assert janus_med("rules", "check", "--rules", str(file)).returncode == 0
    file.write_text(RULES + "[[rules]]\nname = 'bad'\nwhen = 'Modalty == 1'\ndraft = true\n")
    broken = janus_med("rules", "check", "--rules", str(file))
    assert broken.returncode == 1
    assert 'rule 3 "bad"' in broken.stderr
    assert "did you mean Modality" in broken.stderr
    assert janus_med("rules", "check", "--rules", str(tmp_path / "none")).returncode == 1
    file.write_text("[[rules]]\nname = 'fails'\nwhen = '1 / len(Modality[:0]) > 0'\ndraft = true\n")
    failing = janus_med("rules", "test", str(chest_radiograph), "--rules", str(file))
    assert (failing.returncode, "division by zero" in failing.stdout) == (1, True)
    no_dicom = janus_med("rules", "test", str(file), "--rules", str(file))
    assert (no_dicom.returncode, "cannot be read" in no_dicom.stderr) == (1, True)
    assert janus_med("rules", "test").returncode == 2


def test_doctor_names_a_broken_file(tmp_path: Path) -> None:
    from app.doctor_checks import checks

    settings = Settings(data_dir=tmp_path)
    check = next(check for check in checks(settings) if check.title == "routing rules")
    assert "none" in check.ask(settings)
    settings.rules_path.write_text(RULES)
    assert "2 rules" in check.ask(settings)
    settings.rules_path.write_text("[[rules")
    with pytest.raises(Rejected, match="last good rules stay in force"):
        check.ask(settings)


@pytest.mark.slow
@pytest.mark.covers("P4")
def test_listener_takes_up_a_file_and_keeps_its_rules_when_it_breaks(
    data_dir: Path, chest_radiograph: Path, ct_slice: Path, tmp_path: Path
) -> None:
    settings = system_settings(data_dir, allowed_ae_titles=("SENDER", "ER"))
    upgrade(settings)
    settings.rules_path.write_text(
        RULES + "[[rules]]\nname = 'no CT'\nwhen = 'Modality == \"CT\"'\nexclude = 'read elsewhere'\n"
        "[[rules]]\nname = 'from ER'\nwhen = 'calling_ae == \"ER\"'\ndraft = false\n"
    )
    here = Peer(settings.ae_title, "127.0.0.1", settings.dicom_port)
    with open_store(settings) as store, Process(settings, "listen") as listener:
        listener.wait_until_ready()
        send_instances([chest_radiograph], here, calling_ae="ER")
        chest = uid_of(chest_radiograph)
        wait_until(lambda: state_of(store, chest) is StudyState.UNDRAFTED)
        study = study_of(store, chest)
        assert study is not None
        assert (study.priority_reason, study.reason) == ("rule: chest first", "rule: from ER")
        settings.rules_path.write_text("[[rules")
        wait_until(lambda: bool(listener.events("rules file broken, the last good rules stay")))
        send_instances([ct_slice], here, calling_ae="SENDER")
        wait_until(lambda: state_of(store, uid_of(ct_slice)) is StudyState.EXCLUDED)
        assert listener.stop() == 0


def test_rule_s_model_is_looked_up_by_name_and_by_folder(tmp_path: Path) -> None:
    named = NamedModels(tmp_path, "cpu")
    (tmp_path / "ours").mkdir()
    assert named.find("ours").folder == tmp_path / "ours"
    assert named.find("ours") is named.find("ours")
    assert named.find(str(tmp_path / "x")).folder == tmp_path / "x"
    bundled = named.find("tiny").folder
    assert bundled is not None
    assert bundled.name == "tiny"
    assert bundled.is_dir()


@pytest.mark.covers("P5")
def test_model_of_a_rule_that_is_missing_is_a_reason(
    store: Store, tmp_path: Path, chest_radiograph: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    study_uid = receive(store, settings, chest_radiograph)
    with store.begin() as tx:
        tx.studies.save(tx.studies.lock(study_uid).route(Routing(model="not-there")))
    task = DraftStudy(
        store,
        service_actor("drafting"),
        ModelOnDemand(None, "cpu"),
        None,  # type: ignore[arg-type]
        settings.spool_dir / "objects",
        NamedModels(settings.models_dir, "cpu"),
    )
    with pytest.raises(Rejected, match="model unavailable"):
        task.run(study_uid=study_uid, revision=1)
    task.give_up("model unavailable: not-there", study_uid=study_uid, revision=1)
    assert state_of(store, study_uid) is StudyState.UNDRAFTED


@pytest.mark.covers("O5")
def test_rule_s_destinations_are_those_of_the_signature(
    store: Store, tmp_path: Path, leg_radiograph: Path
) -> None:
    settings = Settings(
        data_dir=tmp_path,
        destinations=(
            Destination(name="PACS", ae_title="PACS", host="h", port=1),
            Hl7Destination(kind="hl7", name="RIS", host="h", port=2),
        ),
    )
    study = study_of(store, receive(store, settings, leg_radiograph))
    assert study is not None
    everything = (("PACS", "report_sr"), ("RIS", "hl7_oru"))
    assert choose_destinations(study, settings.destinations) == everything
    routed = study.route(Routing(destinations={"PACS": ("report_sr", "encapsulated_pdf")}))
    assert choose_destinations(routed, settings.destinations) == (
        ("PACS", "report_sr"),
        ("PACS", "encapsulated_pdf"),
    )


def uid_of(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True).StudyInstanceUID)


def study_of(store: Store, study_uid: str) -> Study | None:
    with store.begin() as tx:
        return tx.studies.lock_existing([study_uid]).get(study_uid)


def state_of(store: Store, study_uid: str) -> StudyState | None:
    study = study_of(store, study_uid)
    return study.state if study else None
