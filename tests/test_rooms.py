"""The layout: the page that tells where things are is true, and no file imports itself by way of others."""

import grimp
import pytest

from tests import rooms

APPS = ("atelier", "curation", "training", "inference")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*APPS, cache_dir=None, exclude_type_checking_imports=True)


def circles(graph: grimp.ImportGraph) -> list[set[str]]:
    """Return modules that reach each other.

    Those that import none of the rest or are imported by none are repeatedly left out.
    """
    left = {name: set(graph.find_modules_directly_imported_by(name)) for name in graph.modules}
    while True:
        wanted = set().union(*left.values()) if left else set()
        ends = {name for name, imported in left.items() if not imported & left.keys() or name not in wanted}
        if not ends:
            return [set(left)] if left else []
        left = {name: imported for name, imported in left.items() if name not in ends}


def test_no_files_import_each_other_in_a_circle(graph) -> None:
    assert circles(graph) == []


def test_a_circle_is_found() -> None:
    graph = grimp.ImportGraph()
    for one, other in (("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")):
        graph.add_import(importer=one, imported=other)
    assert circles(graph) == [{"b", "c"}]


def test_the_page_of_rooms_is_what_the_tree_says() -> None:
    assert rooms.PAGE.read_text() == rooms.page(), "Run `python -m tests.rooms` to write docs/where.md again."


def test_every_room_says_what_it_is() -> None:
    silent = [
        path
        for path in rooms.modules()
        if not rooms.sentence(path) and path.name not in {"apps.py", "__init__.py", "urls.py"}
    ]
    assert [str(path) for path in silent] == []
