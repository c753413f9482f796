"""Route templates: what they match, and which of several wins."""

import pytest

from devhost.routes import Route, RouteError, RouteTable, compile_template

GUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def table(*templates: str) -> RouteTable[str]:
    return RouteTable(Route(compile_template(text), frozenset(), text) for text in templates)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/health", "/api/health", {}),
        ("api/health", "/API/Health/", {}),
        ("api/tokens/{id}", "/api/Tokens/AbC", {"id": "AbC"}),
        ("api/tokens/{id}", "/api/tokens", None),
        ("api/tokens/{id}", "/api/tokens/a/b", None),
        ("api/{id:guid}", f"/api/{GUID}", {"id": GUID}),
        ("api/{id:guid}", f"/api/{GUID.replace('-', '')}", {"id": GUID.replace("-", "")}),
        ("api/{id:guid}", "/api/" + "-" * 36, None),
        ("api/{id:guid}", "/api/7", None),
        ("api/{id:int}", "/api/-7", {"id": "-7"}),
        ("api/{id:int}", "/api/2147483648", None),
        ("api/{id:int}", "/api/seven", None),
        ("api/{id:long}", "/api/2147483648", {"id": "2147483648"}),
        ("api/{id:int:range(1, 9)}", "/api/9", {"id": "9"}),
        ("api/{id:int:range(1, 9)}", "/api/10", None),
        ("api/{id:min(3)}", "/api/2", None),
        ("api/{id:max(3)}", "/api/2", {"id": "2"}),
        ("api/{x:length(2)}", "/api/abc", None),
        ("api/{x:minlength(2):maxlength(3):alpha}", "/api/abc", {"x": "abc"}),
        ("api/{x:bool}", "/api/True", {"x": "True"}),
        ("api/{x:decimal}", "/api/1.5", {"x": "1.5"}),
        ("api/{x:double}", "/api/1e5", {"x": "1e5"}),
        ("api/{a}/{b?}", "/api/1", {"a": "1"}),
        ("api/{a}/{b?}", "/api/1/2", {"a": "1", "b": "2"}),
        ("api/{page=1}", "/api", {"page": "1"}),
        ("api/{*rest}", "/api/a/b/c", {"rest": "a/b/c"}),
        ("api/{*rest}", "/api", {}),
        ("api/{*rest}", "/apis", None),
        ("api/file-{n:int}.json", "/api/file-12.json", {"n": "12"}),
        ("api/file-{n:int}.json", "/api/file-12xjson", None),
        ("api/a.b", "/api/axb", None),
        ("{x}", "/only", {"x": "only"}),
    ],
)
def test_match(template: str, path: str, values: dict[str, str] | None) -> None:
    found = table(template).match("GET", path)
    assert (found.values if found else None) == values


def test_the_more_specific_template_wins_in_any_order_of_registration() -> None:
    templates = ["{*rest}", "api/{id}", "api/{id:int}", "api/fixed", "{any}/fixed"]
    for order in (templates, templates[::-1]):
        routes = table(*order)
        winners = {path: routes.match("GET", path) for path in ("/api/fixed", "/api/7", "/api/x", "/b/fixed", "/c/d/e")}
        assert [found.target for found in winners.values() if found] == [
            "api/fixed", "api/{id:int}", "api/{id}", "{any}/fixed", "{*rest}",
        ]  # fmt: skip


def test_a_method_that_is_not_registered_leaves_the_path_to_others() -> None:
    routes = RouteTable(
        [
            Route(compile_template("api/fixed"), frozenset({"POST"}), "post"),
            Route(compile_template("api/{id}"), frozenset({"GET"}), "get"),
        ]
    )
    assert (found := routes.match("GET", "/api/fixed"))
    assert found == ("get", {"id": "fixed"})
    assert routes.match("DELETE", "/api/fixed") is None


@pytest.mark.parametrize(
    "template",
    [
        "{id:nonsense}",
        "{}",
        "{a",
        "a}",
        "{a?}/b",
        "{*a}/b",
        "x{a?}",
        "{a}/{A}",
        "{id:regex(^a$)}",
        "{a b}",
        "{id:min}",
        "{id:min(x)}",
    ],
)
def test_a_template_that_cannot_be_served_is_refused(template: str) -> None:
    with pytest.raises(RouteError):
        compile_template(template)
