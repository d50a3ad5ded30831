"""Files made to take all time and memory of whoever opens them: told with a sentence, in a child, while we go on."""

import csv
import io
import random
import threading
import time
import zipfile
from collections.abc import Callable

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import connection
from django.urls import reverse

from curation import tasks
from curation.datasets import settings
from curation.formats import FormatError, Source
from curation.formats.readers.delimited import column_names
from curation.formats.readers.jsonl import too_nested
from curation.formats.readers.rows import LIMITS
from curation.imports import drafts, reader
from curation.imports.reader import FileReader, FileRows
from curation.models import Dataset, ImportIssue
from tests.memory import peak_memory
from tests.speed import patient

pytestmark = pytest.mark.django_db
MB = 1 << 20


@pytest.fixture
def dataset(project, alice) -> Dataset:
    return settings.create(project, alice, "Articles", Dataset.Kind.DOCUMENTS)


def written(table: pa.Table, **more) -> bytes:
    file = io.BytesIO()
    pq.write_table(
        table,
        file,
        compression="zstd",
        dictionary_pagesize_limit=1 << 30,
        store_schema=False,
        row_group_size=10**6,
        **more,
    )
    return file.getvalue()


def dictionaries(columns: int, megabytes: int, rows: int = 1000) -> bytes:
    """Return a file of columns with one long text that every row names."""
    words = random.Random(1)  # some of it, so that the file is not refused for its ratio of sizes
    long = "".join(f"{words.getrandbits(40):010x}{'x' * 246}" for _ in range(megabytes * MB // 256))
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([long]))
    return written(pa.table({f"c{number}": text for number in range(columns)}))


def packed(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def workbook(rows: list[list[object]]) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def repacked(data: bytes, change: Callable[[str, bytes], tuple[str, bytes]]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return packed(dict(change(name, archive.read(name)) for name in archive.namelist()))


HEAD = b'<?xml version="1.0"?><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
A_AND_B = b"<si><t>a</t></si><si><t>b</t></si>"
TYPE = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"


def with_strings(strings: bytes, name: str = "xl/sharedStrings.xml") -> bytes:
    """Return a workbook whose two cells name the first two of its strings."""

    def change(part: str, data: bytes) -> tuple[str, bytes]:
        if part == "xl/worksheets/sheet1.xml":
            cells = b'<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2" t="s"><v>1</v></c></row>'
            data = data.partition(b"<sheetData>")[0] + b"<sheetData>" + cells + b"</sheetData></worksheet>"
        if part == "[Content_Types].xml":
            entry = b'<Override PartName="/' + name.encode() + b'" ContentType="' + TYPE + b'"/></Types>'
            data = data.replace(b"</Types>", entry)
        return part, data

    with zipfile.ZipFile(io.BytesIO(workbook([["a"], ["b"]]))) as archive:
        parts = dict(change(part, archive.read(part)) for part in archive.namelist())
    return packed(parts | {name: strings})


def shared_strings(count: int) -> bytes:
    """Return a workbook with so many strings that no cell names."""
    return with_strings(HEAD + A_AND_B + b"".join(b"<si><t>text %d</t></si>" % n for n in range(count)) + b"</sst>")


def look(tmp_path, name: str, data: bytes) -> tuple[Source, list[reader.PreviewRow]]:
    path = tmp_path / "upload"
    path.write_bytes(data)
    with FileReader(path) as file:
        source = file.inspect(name)
        mapping, _ = file.suggest("documents")
        return source, file.check(source, mapping, 20, 3.0, 20).rows


def test_a_header_of_one_name_two_thousand_times_is_read_in_no_time(tmp_path) -> None:
    names = column_names(["a"] * 2000)
    assert len(set(names)) == 2000
    assert names[:3] == ["a", "a 2", "a 3"]
    assert column_names(["a", "a 3", "a", "a", "a 3"]) == ["a", "a 3", "a 2", "a 4", "a 3 2"]
    file = io.StringIO()
    csv.writer(file).writerows([["a"] * 2000, ["1"] * 2000])
    with peak_memory() as peak:
        source, rows = look(tmp_path, "a.csv", file.getvalue().encode())
    assert len(source.columns) == 2000
    assert rows[0].data
    assert peak.grown < 60 * MB


@pytest.mark.parametrize(("columns", "megabytes", "good"), [(1, 14, True), (1, 28, False), (3, 14, False)])
def test_a_long_text_that_every_row_names_is_read_row_by_row_or_refused_with_its_number(
    tmp_path, columns: int, megabytes: int, good: bool
) -> None:
    data = dictionaries(columns, megabytes)
    with peak_memory() as peak:
        source, rows = look(tmp_path, "a.parquet", data)
        assert (source.rows, rows[0].line) == (1000, 1)
        first = next(iter(FileRows(tmp_path / "upload", source, 0, 20)))
    assert bool(first[0].data) == good
    assert good or "row is longer than 16 MB" in first[0].problem.message
    assert good or first[0].problem.where == "row 1"
    assert peak.grown < 150 * MB


def test_a_row_of_several_such_texts_is_refused_as_a_whole_when_no_memory_holds_it(tmp_path) -> None:
    data = dictionaries(3, 28)
    with peak_memory() as peak, pytest.raises(FormatError, match="more memory to read than"):
        look(tmp_path, "a.parquet", data)
    assert peak.grown < 60 * MB


def test_a_row_that_unpacks_to_more_than_there_is_memory_is_told(tmp_path, dataset) -> None:
    zeros = pa.DictionaryArray.from_arrays(pa.array([0] * 30_000_000, pa.int32()), pa.array([0.5]))
    data = written(
        pa.table({"a": pa.ListArray.from_arrays(pa.array([0, 30_000_000], pa.int32()), zeros.dictionary_decode())})
    )
    del zeros
    assert len(data) < MB
    with peak_memory() as peak, pytest.raises(FormatError, match=r"more memory to read than|takes too long"):
        look(tmp_path, "a.parquet", data)
    assert peak.grown < 60 * MB


def test_a_workbook_of_a_hundred_thousand_strings_is_read_at_once(tmp_path) -> None:
    began = time.monotonic()
    with peak_memory() as peak:
        source, rows = look(tmp_path, "a.xlsx", shared_strings(100_000))
    assert (source.columns, rows[0].data) == (("a",), {"a": "b"})
    assert time.monotonic() - began < patient(
        15
    )  # 12.5 s of processor time before; now about one, on a machine with other work
    assert peak.grown < 60 * MB


def test_strings_of_a_workbook_are_as_its_library_reads_them(tmp_path) -> None:
    rich = (
        HEAD + b"<si><t>a</t></si><si><r><rPr><b/></rPr><t>bo</t></r><r><t xml:space='preserve'>ld </t></r>"
        b"<rPh sb='0' eb='1'><t>no</t></rPh></si></sst>"
    )
    data = with_strings(rich)
    assert look(tmp_path, "a.xlsx", data)[1][0].data == {"a": "bold "}
    plain = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    assert [cell for (cell,) in plain.active.iter_rows(values_only=True)] == ["a", "bold "]


BOMB = b'<!DOCTYPE sst [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def declared(before: bytes, encoding: str = "utf-8", part: str = "xl/sharedStrings.xml") -> bytes:
    """Return a workbook of which one part declares entities, after something else."""

    def change(name: str, data: bytes) -> tuple[str, bytes]:
        if name != part:
            return name, data
        body = data.partition(b"?>")[2] if data.startswith(b"<?xml") else data
        text = f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + before + BOMB + body
        return name, text.decode().encode(encoding)

    strings = part if part.endswith("trings.dat") else "xl/sharedStrings.xml"
    return repacked(with_strings(HEAD + A_AND_B + b"</sst>", strings), change)


@pytest.mark.parametrize(
    "data",
    [
        declared(b""), declared(b"<!--" + b"x" * 5000 + b"-->"), declared(b"<!--" + b"y" * 300_000 + b"-->"),
        declared(b"<?pi " + b"z" * 5000 + b"?>"), declared(b"", "utf-16"), declared(b"", part="xl/worksheets/sheet1.xml"),
        declared(b"<!--" + b"x" * 5000 + b"-->", part="xl/strings.dat"), declared(b"", part="xl/styles.xml"),
        declared(b" " * 9000, part="xl/workbook.xml"), declared(b"", part="[Content_Types].xml"),
    ],
)  # fmt: skip
def test_xml_that_declares_anything_is_refused_wherever_it_stands(tmp_path, data: bytes) -> None:
    with pytest.raises(FormatError, match="XML entity declarations"):
        look(tmp_path, "a.xlsx", data)


def test_brackets_are_counted_in_one_pass_whatever_the_line_holds() -> None:
    began = time.process_time()
    never_closed = b"[" * 60 + b'{"a": "' + b'\\"' * 400_000 + b"[" * 10
    assert too_nested(1, never_closed) is None
    assert time.process_time() - began < patient(2)  # it took the square of that
    assert too_nested(1, b"[" * 65).problem.code == "row-too-deep"
    assert too_nested(1, b"[" + b"[]," * (LIMITS.values + 1)).problem.code == "row-too-wide"
    assert too_nested(1, b'["' + b"[" * 100 + b'"]') is None


def test_a_row_of_very_many_values_is_a_bad_row_and_the_next_one_is_read(tmp_path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b'{"a": 1}\n{"a": [' + b"1," * 300_000 + b"1]}\n" + b'{"a": 3}\n')
    with FileReader(path) as file:
        source = file.inspect("a.jsonl")
    rows = [row for part in FileRows(path, source, 0, 400) for row in part]
    assert [(row.line, row.problem and row.problem.code) for row in rows] == [(1, None), (2, "row-too-wide"), (3, None)]


def test_whole_numbers_of_a_workbook_beyond_64_bits_are_their_text(tmp_path) -> None:
    large = [2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**40]
    data = workbook([["text", *"bcdef"], ["first", *range(70, 75)], ["second", 1, 2, 3, 4, 5]])

    def change(part: str, xml: bytes) -> tuple[str, bytes]:  # the writer would round them
        for number, value in enumerate(large, 70):
            xml = xml.replace(b"<v>%d</v>" % number, b"<v>%d</v>" % value)
        return part, xml

    source, shown = look(tmp_path, "a.xlsx", repacked(data, change))
    kept = [2**64 - 1, str(2**64), -(2**63), str(-(2**63) - 1), str(10**40)]
    rows = [row for part in FileRows(tmp_path / "upload", source, 0, 400) for row in part]
    assert [row.wrong for row in shown] == ["", ""]
    assert [row.problem for row in rows] == [None, None]
    for row in (shown[0], rows[0]):
        assert list(row.data.values()) == ["first", *kept]


def test_rows_come_in_batches_of_a_few_megabytes_and_go_on_where_they_ended(tmp_path) -> None:
    path = tmp_path / "upload"
    with path.open("wb") as file:
        for number in range(30):
            file.write(b'{"n": %d, "text": "%s"}\n' % (number, b"z" * MB))
    with FileReader(path) as look_at:
        source = look_at.inspect("a.jsonl")
    with peak_memory() as peak:
        sizes = [len(part) for part in FileRows(path, source, 0, 400)]
    assert (sum(sizes), max(sizes)) == (30, 3)
    assert peak.grown < 60 * MB
    for start in (0, 7, 30):
        assert [row.data["n"] for part in FileRows(path, source, start, 5) for row in part] == list(range(start, 30))


def test_a_long_row_is_shortened_in_the_preview_alone(tmp_path, dataset, as_bob, project) -> None:
    data = b'{"id": "1", "text": "%s", "tags": [%s]}\n' % (b"word " * 400_000, b'"t",' * 5000 + b'"t"')
    _, [row] = look(tmp_path, "a.jsonl", data)
    assert row.cut
    assert len(row.data["text"]) < 30_000
    assert "more characters" in row.draft.fields["text"]
    job = drafts.begin(dataset, None, file=ContentFile(data), name="a.jsonl")
    page = as_bob.get(reverse("curation:import", args=[project.pk, job.pk])).content.decode()
    assert "shortened" in page
    assert len(page) < 200_000
    drafts.confirm(job, drafts.mapping_from(job.mapping))
    tasks.import_file(job.pk)
    assert len(dataset.records.get().fields["text"]) == 2_000_000


def test_an_import_whose_rows_are_too_long_ends_with_each_of_them_named(dataset) -> None:
    job = drafts.begin(dataset, None, file=ContentFile(dictionaries(3, 14, 12)), name="a.parquet")
    job.source["columns"] = ["c0"]  # as a first row that is short enough would have told
    job.save()
    drafts.confirm(job, drafts.mapping_from({"kind": "documents", "fields": ["c0"]}))
    with peak_memory() as peak:
        tasks.import_file(job.pk)
    job.refresh_from_db()
    assert (job.status, job.ok, job.failed) == ("done", 0, 12)
    assert list(ImportIssue.objects.values_list("line", "code").order_by("line"))[:2] == [
        (1, "row-too-long"),
        (2, "row-too-long"),
    ]
    assert peak.grown < 150 * MB


def test_a_file_that_takes_too_much_fails_its_import_with_a_sentence_and_the_worker_lives(dataset, monkeypatch) -> None:
    data = b'{"text": "good"}\n' + b"".join(b'{"text": "%d"}\n' % n for n in range(50))
    job = drafts.begin(dataset, None, file=ContentFile(data), name="a.jsonl")
    drafts.confirm(job, drafts.mapping_from(job.mapping))
    monkeypatch.setattr(reader, "READ", reader.ChildLimits(seconds=1, wall=30, memory=30 * MB, answer=MB))
    tasks.import_file(job.pk)
    job.refresh_from_db()
    assert job.status == "failed"
    assert "This file" in job.error
    monkeypatch.undo()
    assert job.enqueue()
    tasks.import_file(job.pk)
    job.refresh_from_db()
    assert (job.status, job.ok) == ("done", 51)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_an_import_whose_next_row_does_not_come_is_cancelled_at_once(dataset) -> None:
    # One row of nothing but brackets, looked at one by one: ten seconds and more.
    data = b'[{"text": "good"}, {"a": [' + b"[]," * (5 * MB - 100) + b"1]}]"
    job = drafts.begin(dataset, None, file=ContentFile(b'[{"text": "good"}]'), name="a.json")
    drafts.confirm(job, drafts.mapping_from(job.mapping))
    with drafts.local(job) as path:
        path.write_bytes(data)
    thread = in_thread(lambda: tasks.import_file(job.pk))
    time.sleep(2)
    began = time.monotonic()
    job.cancel()
    thread.join(60)
    assert time.monotonic() - began < patient(6)
    job.refresh_from_db()
    assert job.status == "cancelled"


@pytest.mark.django_db(transaction=True)
def test_other_requests_are_answered_while_a_bomb_is_uploaded(dataset, project, bob_api, as_bob) -> None:
    answers: list[int] = []
    bomb = ContentFile(b"[" + b'{"a": [' + b"[]," * (5 * MB) + b"1]}]", name="a.json")
    address = f"/api/projects/{project.pk}/datasets/{dataset.pk}/imports/file"
    with peak_memory() as peak:
        thread = in_thread(lambda: answers.append(bob_api.post(address, {"file": bomb}).status_code))
        longest = 0.0
        while thread.is_alive():
            began = time.monotonic()
            assert as_bob.get(reverse("curation:data", args=[project.pk])).status_code == 200
            longest = max(longest, time.monotonic() - began)
    assert longest < patient(10)
    assert answers[0] in (202, 422)
    assert peak.grown < 200 * MB


def test_a_labelling_configuration_that_never_ends_is_refused(dataset) -> None:
    nested = "".join(f'<Labels name="a{n}" toName="t">' for n in range(4000)) + "</Labels>" * 4000
    for config in (nested, "<a>" * 30_000, "<View/>", '<!DOCTYPE x [<!ENTITY a "b">]><x/>'):
        with pytest.raises(FormatError), FileReader() as file:
            file.check_config(config)


def test_a_look_raises_what_forms_show(dataset) -> None:
    with pytest.raises(ValidationError, match=r"damaged|cannot be read"):
        drafts.begin(dataset, None, file=ContentFile(b"PAR1" + b"x" * 1000), name="a.parquet")
