"""What a Python producer imports: drop a job on Redis for an object that is in the bucket already.

The wire form is Dramatiq's, so that any language with a Redis client can do the same; docs/producers.md shows how.
"""

import json
import time
import uuid

import redis

QUEUE = "submit"
_SCRIPT = """
if redis.call("hsetnx", KEYS[2], ARGV[1], ARGV[2]) == 1 then
  redis.call("rpush", KEYS[1], ARGV[1])
  redis.call("publish", "darkroom:calls:submit", "")
end
return 1
"""


def submit(client: redis.Redis, project_id: str, key: str, job_id: str | None = None) -> str:
    """Ask for the object at `key` to become a media of the project; returns the job's id.

    A job is accepted once a worker has made its row, not before: what Redis loses until then is lost. Sending it again
    with the same `job_id` is free, and so is naming the same object twice. Raises `redis.RedisError`.
    """
    job = job_id or str(uuid.uuid4())
    message_id = f"submit-{project_id}-{job}"
    message = json.dumps(
        {
            "queue_name": QUEUE,
            "actor_name": "submit",
            "args": [],
            "kwargs": {"projectId": project_id, "key": key, "jobId": job},
            "options": {"redis_message_id": message_id},
            "message_id": message_id,
            "message_timestamp": time.time_ns() // 1_000_000,
        }
    )
    client.eval(_SCRIPT, 2, f"dramatiq:{QUEUE}", f"dramatiq:{QUEUE}.msgs", message_id, message)
    return job
