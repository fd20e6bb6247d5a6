"""Writes and reads Parquet files at the S3A path that it is given. Knows nothing of credentials."""

import sys

from pyspark.sql import SparkSession

path = sys.argv[1]
spark = SparkSession.builder.getOrCreate()
spark.range(0, 1000, 1, 4).write.mode("overwrite").parquet(path)
print("rows:", spark.read.parquet(path).count())
spark.stop()
