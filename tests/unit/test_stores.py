from pathlib import Path

import pytest

from ops import stores
from ops.dynamodb_local import NotAcceptedError

SQLITE, OURS = Path("/run/records.sqlite"), "http://127.0.0.1:1"
KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


def test_sqlite_is_what_one_gets_unasked_whatever_account_the_caller_has() -> None:
    assert stores.choose(KEYS, SQLITE, OURS) == stores.Store({"RECORDS": "sqlite", "SQLITE_PATH": str(SQLITE)})


def test_a_named_endpoint_comes_first_and_keeps_its_credentials() -> None:
    environ = {
        "RECORDS": "dynamodb",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://there",
        "DYNAMODB_LOCAL_LICENCE": "accept",
        "MEDIA_TABLE": "mine",
        "AWS_REGION": "eu-central-1",
        **KEYS,
    }
    assert stores.choose(environ, SQLITE, OURS) == stores.Store(
        {
            "RECORDS": "dynamodb",
            "MEDIA_TABLE": "mine",
            "TASKS_TABLE": "darkroom-tasks",
            "AWS_ENDPOINT_URL_DYNAMODB": "http://there",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            **KEYS,
        }
    )


def test_an_accepted_licence_comes_before_an_account() -> None:
    environ = {"RECORDS": "dynamodb", "DYNAMODB_LOCAL_LICENCE": "accept", **KEYS}
    store = stores.choose(environ, SQLITE, OURS)
    assert store.embedded
    assert store.env["AWS_ENDPOINT_URL_DYNAMODB"] == OURS
    assert not KEYS.keys() & store.env.keys()


def test_an_account_is_used_when_nothing_else_is_named() -> None:
    store = stores.choose({"RECORDS": "dynamodb", **KEYS}, SQLITE, OURS)
    assert not store.embedded
    assert store.env.keys() >= KEYS.keys()
    assert "AWS_ENDPOINT_URL_DYNAMODB" not in store.env


@pytest.mark.parametrize(
    ("environ", "error", "said"),
    [
        ({"RECORDS": "postgres"}, stores.NoStoreError, "give sqlite or dynamodb"),
        ({"RECORDS": "dynamodb"}, stores.NoStoreError, "DYNAMODB_LOCAL_LICENCE=accept"),
        ({"RECORDS": "dynamodb", "DYNAMODB_LOCAL_LICENCE": "yes"}, NotAcceptedError, "https://aws.amazon.com"),
    ],
)
def test_what_cannot_be_had_is_refused_with_what_to_set(
    environ: dict[str, str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        stores.choose(environ, SQLITE, OURS)
