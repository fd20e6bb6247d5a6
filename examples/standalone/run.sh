#!/bin/sh
# Runs a Spark application on a standalone cluster (or local-cluster, or local[*]) with safe-conduct around it:
#     run.sh SPARK_VERSION MASTER APPLICATION [ARGS]
# In the current folder: driver.properties and spark.properties, as beside this script. Needs safe-conduct and
# spark-submit on the path. The folder must be at the same place on the machines of the workers.
set -eu
version=$1 master=$2
shift 2

# One job, one pair of key files.
[ -d keys ] || safe-conduct keys new keys

# The only process with the identity token. It goes on in the background and ends with this script.
safe-conduct driver --properties-file driver.properties 2>driver.log &
driver=$!
trap 'kill "$driver" 2>/dev/null; wait "$driver" || true' EXIT
until safe-conduct ready --directory run 2>/dev/null; do
    kill -0 "$driver" 2>/dev/null || { cat driver.log >&2; exit 1; }
    sleep 1
done

# What this version of Spark must be told, and the folder java/ that its executors start through.
distribution="--conf spark.security.oidc.distribution.driver=${DRIVER:-127.0.0.1:7443}
              --conf spark.security.oidc.distribution.keyFile=keys/executors.pem"
cp spark.properties submit.properties
# shellcheck disable=SC2086 # these are words
safe-conduct spark --spark-version "$version" --java-home java --properties-file spark.properties $distribution \
    >>submit.properties

# Spark's own driver gets credentials as executors do, and no token. spark-submit ends, and then everything does.
# shellcheck disable=SC2086
safe-conduct executor $distribution --conf spark.security.oidc.endpoint.directory=run-spark -- \
    spark-submit --master "$master" --properties-file submit.properties "$@"
