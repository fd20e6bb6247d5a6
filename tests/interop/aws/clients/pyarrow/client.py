"""Reads one object by pyarrow, writes it under another name and prints it, once a second: BUCKET FOLDER ROUNDS."""

import os
import sys
import time

from pyarrow.fs import S3FileSystem

bucket, folder, rounds = sys.argv[1:]
s3 = S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL_S3"])
for n in range(int(rounds)):
    with s3.open_input_file(f"{bucket}/{folder}/in") as file:
        content = file.read()
    print(content.decode(), flush=True)
    with s3.open_output_stream(f"{bucket}/{folder}/out-{n}") as file:
        file.write(content)
    time.sleep(1)
