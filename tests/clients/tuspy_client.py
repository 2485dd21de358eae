"""tuspy as an application uses it: it uploads half, stops, finds its upload again by its file and goes on.

Run by tests/e2e/test_clients.py with tuspy in PYTHONPATH: ENDPOINT PROJECT FILE STORAGE; prints the upload's URL.
"""

import json
import sys

from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

endpoint, project_id, file, storage = sys.argv[1:]
client = TusClient(endpoint, headers={"X-Project-Id": project_id})
how = {
    "chunk_size": 4 * 1024 * 1024,
    "metadata": {"filename": "a.png"},
    "store_url": True,
    "url_storage": FileStorage(storage),
    "upload_checksum": True,
    "retries": 5,
    "retry_delay": 0.2,
}
first = client.uploader(file, **how)
first.upload(stop_at=8 * 1024 * 1024)
second = client.uploader(file, **how)
assert second.url == first.url
began = second.offset
second.upload()
sys.stdout.write(json.dumps({"url": second.url, "offsets": [0, began]}) + "\n")
