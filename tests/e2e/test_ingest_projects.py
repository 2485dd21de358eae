"""Deleting a project over HTTP."""

from tests.frontdoor import upload
from tests.serving import Ingest
from tests.web import web


def test_a_project_that_is_being_deleted_takes_nothing(server: Ingest) -> None:
    assert upload(server, "erasing").status_code == 201
    address = f"{server.url}/api/projects/erasing"
    unknown = web.get(f"{address}/deletion")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "deletion_not_found")
    begun, again = web.delete(address), web.delete(address)
    assert begun.status_code == again.status_code == 202
    assert begun.json() == again.json()
    assert begun.json()["status"] == "deleting"
    assert begun.json()["statusUrl"] == begun.headers["location"] == f"{address}/deletion"
    found = web.get(f"{address}/deletion")
    assert found.status_code == 200
    assert found.json().items() <= begun.json().items()
    refused = upload(server, "erasing")
    assert (refused.status_code, refused.json()["code"]) == (409, "project_deleting")
    assert upload(server, "not-erasing").status_code == 201


def test_only_a_project_can_be_deleted(server: Ingest) -> None:
    refused = web.delete(f"{server.url}/api/projects/a%20b")
    assert (refused.status_code, refused.json()["code"]) == (400, "project_id_invalid")
