"""The fidelity table is whole, and its page is what ``make docs`` would write today."""

from docs.fidelity import PAGE, Row, Table, cases, exists, faults, load, page


def test_the_table_is_whole() -> None:
    assert faults(load()) == []


def test_the_page_is_written_from_the_table() -> None:
    assert page(load()) == PAGE.read_text(encoding="utf-8"), "stale: run `make docs`"


def test_a_test_exists_or_it_does_not() -> None:
    assert exists("A01")
    assert not exists("A99")
    assert exists("tests/test_fidelity.py::test_the_table_is_whole")
    assert not exists("tests/test_fidelity.py::test_nothing_of_that_name")
    assert not exists("tests/test_nowhere.py::test_the_table_is_whole")
    assert not exists("tests/test_fidelity.py")


def test_every_fault_of_a_table_is_told() -> None:
    good = Row("A", "same", "all cases", "", "ours", tuple(cases()))
    table = Table("", {"ours": "reasoned", "DG": "the guide"}, (good,))
    assert faults(table) == []

    def told(row: Row) -> list[str]:
        return faults(table._replace(rows=(good, row)))

    row = Row("A", "chosen", "w", "because", "ours; DG:page", ("A01",))
    assert told(row) == []
    assert told(row._replace(verdict="alike")) == [
        "'w': 'alike' is no verdict; allowed: same, simplified, chosen, absent"
    ]
    assert told(row._replace(verdict="same")) == ["'w': what is the same needs no reason"]
    assert "nothing says what is done" in told(row._replace(here=""))[0]
    assert told(row._replace(tests=())) == ["'w': no test holds it"]
    assert told(row._replace(verdict="absent", tests=())) == []
    assert told(row._replace(source="DG:page; XX")) == ["'w': source 'XX' is none of ours, DG"]
    assert told(row._replace(tests=("Z01",))) == ["'w': 'Z01' does not exist"]
    assert told(row._replace(what=good.what)) == ["'all cases' stands there twice"]
    torn = (good, row._replace(section="B"), row._replace(what="v"))
    assert faults(table._replace(rows=torn)) == ["section 'A' is torn apart"]
    without = good._replace(tests=tuple(cases())[1:])
    assert faults(table._replace(rows=(without,))) == ["conformance case A01 stands in no row"]
