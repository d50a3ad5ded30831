"""The search: plain words, whatever is typed; the index follows every write."""

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.datasets import settings as dataset_settings
from curation.models import Dataset, Record
from curation.records import derived, search_text
from curation.search import fulltext, sqlite
from curation.search import index as search_index

HOSTILE = [
    '"',
    '""" OR 1',
    "a* b^2 NEAR(c)",
    "content:x",
    "'; DROP TABLE x;--",
    "-",
    "a AND",
    "NOT",
    "(",
    "%",
    "\\",
    "🙂",
    "a:b",
    ":*",
    "<->",
    "é\u0301",
    "\x00",
]


@pytest.fixture
def chats(project, alice) -> Dataset:
    return dataset_settings.create(project, alice, "Chats")


def make(dataset: Dataset, text: str, **more) -> Record:
    record = Record(
        dataset=dataset, messages=[{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}], **more
    )
    derived.complete(record).save()
    return record


def found(dataset: Dataset, query: str) -> list[int]:
    asked = fulltext.asked([fulltext.TextTerm(query)] if query.strip() else [])
    return list(fulltext.saying(dataset.records.all(), asked).order_by("pk").values_list("pk", flat=True))


@pytest.mark.parametrize("query", HOSTILE)
def test_a_hostile_query_is_plain_words(chats, query):
    make(chats, "something")
    assert isinstance(found(chats, query), list)


def test_all_words_must_be_there_and_the_last_may_be_begun(chats):
    record = make(chats, "The council of Example.com voted, seven-two")
    make(chats, "The council slept")
    assert found(chats, "council vot") == [record.pk]
    assert found(chats, "vot council") == []
    assert found(chats, "example COM") == [record.pk]
    assert found(chats, "two") == [record.pk]


def test_one_letter_with_a_mark_is_a_word_and_no_beginning(chats):
    make(chats, "Everybody ended early")
    assert found(chats, "é") == found(chats, "ea") == []
    chinese = make(chats, "图书馆九点开门")
    assert found(chats, "图书") == [chinese.pk]


def test_roles_and_types_are_no_words_of_a_record(chats):
    make(chats, "hello")
    assert found(chats, "assistant") == []
    assert found(chats, "content") == []


def test_an_edit_and_a_deletion_are_followed(chats):
    record = make(chats, "before", fields={"a": ["deep", {"b": "nested"}]}, metadata={"topic": "energy"})
    assert found(chats, "nested") == found(chats, "energy") == [record.pk]
    record.messages[0]["content"] = "after"
    record.save()
    assert found(chats, "before") == []
    assert found(chats, "after") == [record.pk]
    record.delete()
    assert found(chats, "after") == []


def test_parts_and_thoughts_are_found(chats):
    record = make(chats, "x")
    record.messages[1]["content"] = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "pondering"}]},
        {"type": "text", "text": "spoken"},
    ]
    record.save()
    assert found(chats, "pondering spoken") == [record.pk]


def test_installing_again_changes_nothing(chats):
    record = make(chats, "hello")
    search_index.install()
    assert found(chats, "hello") == [record.pk]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["content", "text", "type", "thinking", "role", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's index reads the record itself")
@pytest.mark.django_db
@settings(deadline=None)
@given(
    fields=st.dictionaries(st.text(max_size=3, alphabet="abc"), JSON, max_size=3), messages=st.lists(JSON, max_size=3)
)
def test_the_import_and_the_triggers_read_the_same_text(fields, messages):
    import orjson

    columns = [orjson.dumps(value).decode() for value in (fields, messages, [], [], {})]
    row = "(SELECT %s AS fields, %s AS messages, %s AS chosen, %s AS rejected, %s AS metadata) r"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sqlite.text('r.')} FROM {row}", columns)
        read = cursor.fetchone()[0]
    assert read.split() == search_text.gather(fields, messages, [], [], {}).split()
