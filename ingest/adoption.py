"""`POST /api/media`: an object that is in the bucket already becomes a media."""

import asyncio
import json
import unicodedata
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from ingest.bodies import small
from ingest.callers import caller_of
from ingest.idempotency import Idempotency, unnamed
from ingest.problems import PROBLEMS, ProblemError
from ingest.uploads import created
from pipeline.adoption import adopt
from pipeline.config import Pipeline
from pipeline.errors import PermanentError
from pipeline.ledger import Ledger
from pipeline.ports import ObjectStore
from pipeline.repeats import Turn

MOST_BYTES = 16 * 1024


@dataclass(frozen=True)
class Adoption:
    """The endpoint."""

    ledger: Ledger
    objects: ObjectStore
    pipeline: Pipeline
    idempotency: Idempotency
    threads: Executor

    async def post(self, request: Request) -> Response:
        """Answer 201 with the new media, or 200 with the one that the object is already."""
        project_id, key = _wanted(await small(request.receive, MOST_BYTES))
        caller_of(request).enter(project_id)
        call = partial(adopt, self.ledger, self.objects, self.pipeline, project_id, key)

        async def take(_turn: Turn | None) -> Response:  # the object's own row sees to it that it becomes one media
            try:
                media_id, new = await asyncio.get_running_loop().run_in_executor(self.threads, call)
            except PermanentError as error:
                raise ProblemError(error.reason if error.reason in PROBLEMS else "internal_error") from error
            request.state.facts.update(project_id=project_id, media_id=media_id)
            return created(request, media_id, self.ledger.site.url(key), key, status=201 if new else 200)

        return await self.idempotency.once(request, (project_id, key), take, unnamed)


def _wanted(body: bytes) -> tuple[str, str]:
    try:
        wanted = json.loads(body)
    except (ValueError, RecursionError):
        raise ProblemError("malformed_json") from None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("key"), str):
        raise ProblemError("malformed_json")
    if not isinstance(wanted.get("projectId"), str):
        raise ProblemError("project_id_missing")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in wanted["key"]):
        raise ProblemError("key_invalid")
    return wanted["projectId"], wanted["key"]
