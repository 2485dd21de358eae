"""`DELETE /api/projects/{projectId}`: everything of a project, and how far that is."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.callers import caller_of
from ingest.problems import ProblemError
from ingest.submissions import project_of
from pipeline import projects
from pipeline.errors import UnavailableError
from pipeline.ledger import Ledger
from pipeline.projects import Deletion


@dataclass(frozen=True)
class Projects:
    """The endpoints; `queue` is that of the workers who do it."""

    ledger: Ledger
    queue: str
    threads: Executor

    async def delete(self, request: Request) -> Response:
        """Begin to delete a project; repeating it while that is under way changes nothing."""
        project_id = _project(request)
        deletion = await self._in_thread(projects.request, self.ledger, project_id, self.queue)
        status_url = str(request.url_for("deletion", project_id=project_id))
        return JSONResponse(_said(deletion) | {"statusUrl": status_url}, 202, {"Location": status_url})

    async def deletion(self, request: Request) -> Response:
        """How far the newest deletion is."""
        deletion = await self._in_thread(projects.find, self.ledger, _project(request))
        if deletion is None:
            raise ProblemError("deletion_not_found")
        return JSONResponse(_said(deletion))

    async def _in_thread(self, function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - the function's
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function, *args)
        except UnavailableError as error:
            raise ProblemError("records_unavailable") from error


def _project(request: Request) -> str:
    project_id = project_of([request.path_params["project_id"]]) or ""
    caller_of(request).enter(project_id)
    request.state.facts["project_id"] = project_id
    return project_id


def _said(deletion: Deletion) -> dict[str, Any]:
    times = {"requestedAt": deletion.requested_at, "notBefore": deletion.not_before, "doneAt": deletion.done_at}
    return {
        "success": True,
        "projectId": deletion.project_id,
        "status": "deleting" if deletion.done_at is None else "deleted",
        "media": deletion.media,
        **{name: _iso(at) for name, at in times.items() if at is not None},
    }


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
