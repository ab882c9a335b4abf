"""HEAD is answered as GET, without a body, and Allow names every method that a path takes."""

import logging
from typing import Any

import pytest

from recommendation_api.app import PREFIX

PATHS = ["/healthz", "/readyz", "/metrics", "/", "/docs", "/openapi.json", "/console/", f"{PREFIX}/popular"]
PATHS += [f"{PREFIX}/user/ann", f"{PREFIX}/user/ann?limit=3&source=cf", f"{PREFIX}/settings", f"{PREFIX}/nothing"]
PATHS += [f"{PREFIX}/game/none/similar", f"{PREFIX}/user/ann?limit=0"]
OF_THIS_ANSWER = {"x-request-id", "content-length"}


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_status_and_headers_of_get_and_no_body(path: str, store: Any) -> None:
    get, head = store.client.get(path), store.client.head(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert get.content
    if path != "/metrics":  # its body grows with every request
        assert head.headers["content-length"] == str(len(get.content))
    assert {name: value for name, value in head.headers.items() if name not in OF_THIS_ANSWER} == {
        name: value for name, value in get.headers.items() if name not in OF_THIS_ANSWER
    }


def test_head_knows_what_has_not_changed(store: Any) -> None:
    tag = store.call("GET", "/user/ann").headers["etag"]
    assert store.call("HEAD", "/user/ann", headers={"If-None-Match": tag}).status_code == 304


def test_head_of_what_only_takes_post_is_refused(store: Any) -> None:
    answer = store.call("HEAD", "/interactions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_allow_names_every_method(store: Any) -> None:
    assert store.call("PATCH", "/user/ann").headers["allow"] == "GET, HEAD, DELETE"
    assert store.call("OPTIONS", "/train").headers["allow"] == "GET, HEAD, POST"


def test_a_line_names_the_method_and_the_route_that_were_asked(store: Any, capsys: Any) -> None:
    logging.getLogger("recommendation_api.access").setLevel(logging.INFO)
    store.call("HEAD", "/user/ann")
    line = capsys.readouterr().err
    assert '"method":"HEAD"' in line
    assert f'"route":"{PREFIX}/user/{{user_id}}"' in line
