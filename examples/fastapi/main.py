"""A photo route as people write it with `UploadFile` and boto3, replaced by Darkroom.

    @app.post("/albums/{album}/photos")
    async def add(album: str, file: UploadFile):
        s3.upload_fileobj(file.file, "media", file.filename)   # after the whole file was written to disk
        return {"url": f"https://media.s3.amazonaws.com/{file.filename}"}

With Darkroom the form goes on as it comes. Run: DARKROOM_URL=http://127.0.0.1:8000 uvicorn main:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

KEY = os.environ.get("DARKROOM_KEY")
CREDENTIALS = {"Authorization": f"Bearer {KEY}"} if KEY else {}
PASSED = {"content-type", "content-length", "idempotency-key"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for all requests."""
    url = os.environ.get("DARKROOM_URL", "http://127.0.0.1:8000")
    async with httpx.AsyncClient(base_url=url, headers=CREDENTIALS, timeout=120) as client:
        app.state.darkroom = client
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/albums/{album}/photos")
async def add(album: str, request: Request) -> JSONResponse:
    """Who may add to this album is this application's to say, and is said here."""
    headers = {name: value for name, value in request.headers.items() if name in PASSED} | {"X-Project-Id": album}
    answer = await request.app.state.darkroom.post("/api/upload", content=request.stream(), headers=headers)
    return JSONResponse(answer.json(), answer.status_code)


@app.get("/photos/{media_id}")
async def photo(media_id: str, request: Request) -> JSONResponse:
    """What became of it."""
    answer = await request.app.state.darkroom.get(f"/api/media/{media_id}")
    wanted = ("id", "status", "urls", "placeholder")
    return JSONResponse({name: answer.json().get(name) for name in wanted}, answer.status_code)
