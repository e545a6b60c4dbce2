"""Reading HL7 v2: delimiters, escape sequences, character sets, orders and patients out of messages.

Covered: round trips of any text through escaping (T27, inbound), the package `hl7` as reference for plain
messages, a malformed corpus, segments out of order.
Not covered here: the server (`test_mllp.py`) and what the application does with an order.
"""

from __future__ import annotations

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs_bridge.hl7_charsets import UnknownCharset
from pacs_bridge.hl7_message import Delimiters, Malformed, escape, read_message, unescape
from pacs_bridge.hl7_orders import OrderControl, UnknownControl, read_orders
from pacs_bridge.hl7_patient import MissingField, read_merges, read_patient
from tests.bridge.hl7_peers import header, order, patient

values = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
ODD = Delimiters("#", "!", "*", "%", "$")


@pytest.mark.covers("T27")
@given(values)
def test_any_text_survives_escaping(text: str) -> None:
    assert unescape(escape(text), Delimiters()) == text


@given(values)
def test_any_text_survives_escaping_with_other_delimiters(text: str) -> None:
    assert unescape(escape(text, ODD), ODD) == text


@pytest.mark.covers("T27")
@given(values)
def test_a_value_stays_one_value_in_its_message(text: str) -> None:
    message = read_message(order(indication=escape(text), charset="UNICODE UTF-8").encode())

    (found,) = read_orders(message)
    assert found.indication == text.strip()
    assert found.accession_number == "A1"


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused_and_nothing_else_happens(content: bytes) -> None:
    with pytest.raises((Malformed, UnknownCharset)):
        read_message(b"X" + content)


@given(st.binary(max_size=300))
def test_anything_after_a_good_header_is_read_or_refused(content: bytes) -> None:
    try:
        message = read_message(header("ORM^O01", "1").encode() + b"\r" + content)
        read_orders(message)
    except (Malformed, UnknownCharset, MissingField, UnknownControl):
        pass


@given(st.text("\\XABC019.spbrHNFSRTEZ|^~&", max_size=60))
def test_broken_escape_sequences_are_harmless(text: str) -> None:
    assert len(unescape(text, Delimiters())) <= 20 * len(text)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (r"a\F\b\S\c\R\d\E\e\T\f", "a|b^c~d\\e&f"),
        (r"one\.br\two", "one\ntwo"),
        (r"one\.sp3\two", "one\n\n\ntwo"),
        (r"one\.sp999999999\two", "one\ntwo"),
        (r"one\.sp999\two", "one" + 20 * "\n" + "two"),
        (r"\H\bold\N\ plain", "bold plain"),
        (r"\XC3A9\t\XC3\\XA9\ ", "été "),
        (r"\Zlocal\text\C2842\ ", "text "),
        (r"50\50", r"50\50"),
        ("\\Q\\", "\\Q\\"),
    ],
)
def test_escape_sequences_mean_what_the_standard_says(sent: str, meant: str) -> None:
    assert unescape(sent, Delimiters()) == meant


@pytest.mark.parametrize(
    ("charset", "encoding", "name"),
    [
        ("", "ascii", "Example^Person"),
        ("ASCII", "utf-8", "Müller^Jörg"),
        ("", "utf-8", "Müller^Jörg"),
        ("", "iso8859_1", "Müller^Jörg"),
        ("8859/1", "iso8859_1", "Müller^Jörg"),
        ("8859/2", "iso8859_2", "Dvořák^Antonín"),
        ("8859/5", "iso8859_5", "Люксембург^Роза"),
        ("8859/7", "iso8859_7", "Διονυσιος"),
        ("UNICODE UTF-8", "utf-8", "山田^太郎"),
        ("UNICODE UTF-8", "utf-8", "قباني^لنزار"),
        ("ASCII~ISO IR87", "iso2022_jp", "山田^太郎"),
        ("ISO IR87", "iso2022_jp", "表能^太郎"),
        ("~ISO IR159", "iso2022_jp_ext", "丂^太郎"),
        ("GB 18030-2000", "gb18030", "王^小東"),
        ("KS X 1001", "euc_kr", "김^희중"),
    ],
)
def test_names_are_read_in_the_character_set_of_msh_18(charset: str, encoding: str, name: str) -> None:
    message = read_message(order(pid=patient(name=name), charset=charset).encode(encoding))

    assert read_patient(message).name == name


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "does not begin with an MSH"),
        (b"PID|1\rMSH|^~\\&|A", "does not begin with an MSH"),
        (b"MSH", "does not begin with an MSH"),
        (b"MSH|^~\\&", None),
        (b"MSH||||RIS|", "delimiters"),
        (b"MSH|^^^^|RIS|", "delimiters"),
        (b"MSH|ABCD|RIS|", "delimiters"),
        (b"MSHX^~\\&XRISX", "delimiters"),
        (header("ORM^O01", "1").encode() + b"\rthis is no segment|", "no name"),
        (header("ORM^O01", "1").encode() + b"\r" + header("ORM^O01", "2").encode(), "more than one MSH"),
        (header("ORM^O01", "1").encode() + b"\rNTE|1" * 2001, "more than 2000 segments"),
        (header("ORM^O01", "1", charset="EBCDIC").encode(), "EBCDIC"),
        (
            header("ORM^O01", "1", charset="UNICODE UTF-8").encode() + b"\rNTE|\xff",
            "not in the character set",
        ),
    ],
)
def test_malformed_messages_are_refused_with_the_reason(content: bytes, what: str | None) -> None:
    if what is None:
        assert read_message(content).control_id == ""
        return
    with pytest.raises((Malformed, UnknownCharset), match=what):
        read_message(content)


def test_plain_messages_read_as_the_reference_library_reads_them() -> None:
    text = order(indication="Cough & fever~since^Monday")
    ours, reference = read_message(text.encode()), hl7.parse(text)

    for segment in ours.segments:
        theirs = reference.segment(segment.name)
        for number in range(1, len(segment.fields) + 1):
            if segment.name == "MSH" and number < 3:
                continue
            assert segment.raw(number) == str(theirs(number)), (segment.name, number)


def test_an_order_is_read_with_everything_that_gives_context() -> None:
    message = "\r".join(
        (
            header("OMI^O23^OMI_O23", "1"),
            "PID|1||77^^^OTHER^SS~P1^^^HOSPITAL^MR||Exa\\T\\mple^Person^M^Jr^Dr||197001010830|F",
            "NTE|1||about the patient",
            "PV1|1|I|||||||||||||B6",
            "AL1|1|DA|C1^Iodinated contrast||",
            "AL1|2|DA|^Latex||",
            "ORC|NW|PL1^RIS|FI1^RIS",
            "TQ1|1||||||||S^STAT^HL70485",
            "OBR|1|PL1^RIS|FI1^RIS|CXR^Chest 2 views^L|||||||||Fever\\.br\\since Monday|||"
            "4711^Order^Olga^^^Dr|||||||||||||||R05^Cough~R50^Fever",
            "NTE|1||Rule out~pneumothorax",
            "IPC|A1^RIS|RP1^RIS|1.2.3^RIS|SPS1^RIS",
        )
    )

    (found,) = read_orders(read_message(message.encode()))

    assert found.control is OrderControl.PLACE
    assert (found.placer_number, found.filler_number, found.accession_number) == ("PL1", "FI1", "A1")
    assert (found.patient.patient_id, found.patient.issuer) == ("P1", "HOSPITAL")
    assert (found.patient.name, found.patient.birth_date, found.patient.sex) == (
        "Exa&mple^Person^M^Dr^Jr",
        "19700101",
        "F",
    )
    assert (found.procedure_code, found.procedure) == ("CXR", "Chest 2 views")
    assert found.indication == "Cough\nFever\nFever\nsince Monday\nRule out\npneumothorax"
    assert found.priority == "STAT"
    assert found.requesting_physician == "Order^Olga^^Dr"
    assert (found.pregnancy, found.allergies) == ("pregnant", "Iodinated contrast; Latex")


def test_segments_out_of_order_give_the_same_orders() -> None:
    first = ("ORC|NW|PL1|FI1", "OBR|1|PL1|FI1|CXR^Chest^L||||||||||||||A1", "TQ1|1||||||||S", "NTE|1||Cough")
    second = ("OBR|2|PL2|FI2|RIB^Ribs^L||||||||||||||A2", "ORC|NW|PL2|FI2", "TQ1|1||||||||R")
    usual = [header("ORM^O01", "1"), patient(), *first, second[1], second[0], second[2]]
    shuffled = [header("ORM^O01", "1"), first[1], first[0], *first[2:], *second, patient()]

    expected = read_orders(read_message("\r".join(usual).encode()))
    found = read_orders(read_message("\r".join(shuffled).encode()))

    assert found == expected
    assert [(each.accession_number, each.priority) for each in found] == [("A1", "STAT"), ("A2", "ROUTINE")]


@pytest.mark.parametrize(
    ("control", "status", "meant"),
    [
        ("NW", "", OrderControl.PLACE),
        ("XO", "", OrderControl.CHANGE),
        ("SC", "IP", OrderControl.START),
        ("SC", "CM", OrderControl.COMPLETE),
        ("SC", "", OrderControl.CHANGE),
        ("CA", "IP", OrderControl.CANCEL),
        ("SC", "CA", OrderControl.CANCEL),
        ("DC", "", OrderControl.CANCEL),
    ],
)
def test_order_controls_and_states_say_what_happens(control: str, status: str, meant: OrderControl) -> None:
    (found,) = read_orders(read_message(order(control=control, status=status).encode()))

    assert found.control is meant


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ([], "PID is missing"),
        (["PID|1||^^^X||Name"], "PID-3 is empty"),
        ([patient()], "ORC and OBR are missing"),
        ([patient(), "ORC|NW"], "no number"),
    ],
)
def test_an_order_without_what_it_needs_is_refused(lines: list[str], what: str) -> None:
    with pytest.raises(MissingField, match=what):
        read_orders(read_message("\r".join([header("ORM^O01", "1"), *lines]).encode()))


def test_an_unknown_order_control_is_refused() -> None:
    with pytest.raises(UnknownControl):
        read_orders(read_message(order(control="ZZ").encode()))


def test_merges_are_read_in_pairs() -> None:
    message = "\r".join(
        (
            header("ADT^A40^ADT_A39", "1"),
            "EVN|A40|20261122",
            patient("NEW1", issuer="H"),
            "MRG|OLD1^^^H^MR",
            patient("NEW2", issuer="H"),
            "PD1|1",
            "MRG|OLD2^^^OTHER^MR",
        )
    )

    found = read_merges(read_message(message.encode()))

    assert [(m.surviving.patient_id, m.former_id, m.former_issuer) for m in found] == [
        ("NEW1", "OLD1", "H"),
        ("NEW2", "OLD2", "OTHER"),
    ]


@pytest.mark.parametrize(
    "lines", [[patient()], ["MRG|OLD", patient()], [patient(), "MRG|"], [patient("P1"), "MRG|P1"]]
)
def test_a_merge_without_two_different_identifiers_is_refused(lines: list[str]) -> None:
    with pytest.raises(MissingField):
        read_merges(read_message("\r".join([header("ADT^A40", "1"), *lines]).encode()))


def test_a_megabyte_in_one_field_is_read() -> None:
    note = "x" * 1024**2
    message = order() + "\rNTE|1||" + note

    (found,) = read_orders(read_message(message.encode()))

    assert found.indication.endswith(note)
