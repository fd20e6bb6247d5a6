"""A Spark application that does what the harness says: one JSON line in, one out, until it is told to stop.

Knows nothing of credentials: an S3A path, a bucket and Spark's own settings.
"""

import json
import socket
import sys
import time

import in_executor
from pyspark.sql import SparkSession

port = int(sys.argv[1])
spark = SparkSession.builder.getOrCreate()
context = spark.sparkContext


def write(path, files, rows=2000):
    spark.range(0, rows, 1, files).write.mode("overwrite").parquet(path)


def read(path):
    found = spark.read.parquet(path).selectExpr("count(*)", "sum(id)").first()
    return list(found)


def both(path, files):
    """One round, as most checks need it."""
    write(path, files)
    return read(path)


def executors(tasks):
    """Each worker that took part in `tasks` tasks."""
    seen = context.parallelize(range(tasks), tasks).mapPartitions(in_executor.who).collect()
    return list({one["pid"]: one for one in seen}.values())


def boto3(bucket, prefix, tasks):
    return context.parallelize(range(tasks), tasks).mapPartitions(in_executor.with_boto3(bucket, prefix)).collect()


def pyarrow(bucket, prefix, tasks):
    return context.parallelize(range(tasks), tasks).mapPartitions(in_executor.with_pyarrow(bucket, prefix)).collect()


def first_bytes(bucket, prefix, tasks):
    return context.parallelize(range(tasks), tasks).mapPartitions(in_executor.first_byte(bucket, prefix)).collect()


def wait(tasks, each):
    return len(context.parallelize(range(tasks), tasks).mapPartitions(in_executor.waiting(each)).collect())


def count():
    """How many executors there are now, the driver left out."""
    return context._jsc.sc().getExecutorMemoryStatus().size() - 1


def where():
    return {"application": context.applicationId, "ui": context.uiWebUrl, "spark": spark.version}


actions = {action.__name__: action for action in (
    write, read, both, executors, boto3, pyarrow, first_bytes, wait, count, where)}
link = socket.create_connection(("127.0.0.1", port))
lines = link.makefile("rw")
for line in lines:
    asked = json.loads(line)
    started = time.time()
    try:
        answer = {"value": actions[asked.pop("action")](**asked), "error": None}
    except Exception as why:  # a failed action is an answer, and the session goes on
        answer = {"value": None, "error": f"{type(why).__name__}: {why}"}
    lines.write(json.dumps(answer | {"seconds": time.time() - started}) + "\n")
    lines.flush()
spark.stop()
