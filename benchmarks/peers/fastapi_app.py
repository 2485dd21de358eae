"""The upload route of every FastAPI tutorial: `UploadFile` and boto3's `upload_fileobj`."""

import os
from typing import Annotated
from uuid import uuid4

import boto3
from botocore.config import Config
from fastapi import FastAPI, Form, UploadFile

BUCKET = os.environ["S3_BUCKET"]
s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, max_pool_connections=50))
app = FastAPI()


@app.get("/healthz")
def healthz() -> str:
    """Say that the server is up."""
    return "ok"


@app.post("/api/upload", status_code=201)
def upload(file: UploadFile, project_id: Annotated[str, Form(alias="projectId")]) -> dict[str, str | bool]:
    """Store the file; FastAPI runs this in a thread."""
    key = f"projects/{project_id}/{uuid4()}/{file.filename}"
    s3.upload_fileobj(file.file, BUCKET, key, ExtraArgs={"ContentType": file.content_type})
    return {"success": True, "url": f"{s3.meta.endpoint_url}/{BUCKET}/{key}", "s3Key": key}
