//! `--help` and `--version`.

use std::io::Write;

use super::OutputError;
use crate::arguments::Topic;

const ALL: &str = "\
safe-conduct: an identity token stays on the driver; short-lived credentials travel.

usage: safe-conduct COMMAND [OPTIONS]

commands:
  driver [-- PROGRAM ARGS]     verify the token, exchange it, keep it fresh, answer executors
  executor [-- PROGRAM ARGS]   ask the driver, serve credentials to the program
  resolve                      one exchange, printed as credential_process JSON
  ready                        exit 0 once credentials are in hand
  keys new DIR                 make the two key files of a job
  install DIR                  copy this program into DIR
  inspect FILE                 explain an identity token
  doctor [driver|executor]     check a configuration end to end
  spark --spark-version V      print the settings that Spark needs, write the executors' Java folder

options of every command:
  --properties-file FILE       a Spark properties file
  --conf KEY=VALUE             a setting; the last one wins
  --log-level LEVEL            error, warn, info (default) or debug
  -h, --help                   this text, or a command's
  -V, --version                the version

exit status: 78 configuration, 77 identity refused, 76 refused by the service, 69 unreachable,
127 and 126 program not found or not executable; once the program has started, its own.
";

const DRIVER: &str = "\
usage: safe-conduct driver [OPTIONS] [-- PROGRAM ARGS]

Reads the identity token, verifies it, exchanges it for short-lived credentials, keeps them fresh, hands them to
executors that prove the job's key, and serves them to its own pod. With a program: starts it once credentials are in
hand and ends with it; the program can then read the token, which a warning and an audit line say.

needed settings (spark.security.oidc. in front):
  identityToken.file, identityToken.issuer, identityToken.audience, aws.roleArn,
  aws.region or aws.stsEndpoint, distribution.keyFile (driver.pem)
for several roles: aws.target.NAME.roleArn, in place of aws.roleArn or besides it
for monitoring: status.listen (off by default): /livez, /readyz, /metrics. Never make /readyz the driver pod's
  readinessProbe: that would take the driver out of DNS.
";

const EXECUTOR: &str = "\
usage: safe-conduct executor [OPTIONS] [-- PROGRAM ARGS]

Asks the driver for credentials and serves them on loopback, where AWS SDKs look for them. With a program: waits until
credentials are in hand, starts it with its environment set, forwards signals, and ends with its exit status.

needed settings (spark.security.oidc. in front):
  distribution.keyFile (executors.pem); distribution.driver, unless SPARK_DRIVER_URL is set
for monitoring: status.listen (off by default): /livez, /readyz, /metrics
";

const RESOLVE: &str = "\
usage: safe-conduct resolve [OPTIONS]

Verifies and exchanges the identity token once and prints the credential as JSON for `credential_process` of an AWS
configuration file. Needs the driver's settings of identityToken.* and aws.*.
";

const READY: &str = "\
usage: safe-conduct ready [--directory DIR] [OPTIONS]

Asks the endpoint whose files are in DIR (endpoint.directory) and exits 0 once it serves a credential: for exec probes
in images without a shell. Not for a driver pod's readinessProbe: that would take the driver out of DNS.

  --directory DIR              short for --conf spark.security.oidc.endpoint.directory=DIR
";

const KEYS: &str = "\
usage: safe-conduct keys new DIR

Writes DIR/driver.pem and DIR/executors.pem (mode 0600): each holds its own private key and the other's public key.
Existing files are never overwritten. One job, one pair: whoever has executors.pem can fetch that job's credentials.
";

const INSTALL: &str = "\
usage: safe-conduct install DIR

Copies this program to DIR/safe-conduct (mode 0755): for init containers, since an image without a shell has no cp.
";

const INSPECT: &str = "\
usage: safe-conduct inspect FILE [OPTIONS]

Shows an identity token, with each rule in the order of checking and whether it passes. Exits 0 only if the token
would be accepted.

  --issuer ISSUER              short for --conf spark.security.oidc.identityToken.issuer=ISSUER
  --audience AUDIENCE          short for --conf spark.security.oidc.identityToken.audience=AUDIENCE
  --jwks FILE                  short for --conf spark.security.oidc.jwks.file=FILE
  --now SECONDS                check as of this time, in seconds since 1970
  --show-claims                also show the values of claims, which may be personal data
  --json                       as JSON
";

const DOCTOR: &str = "\
usage: safe-conduct doctor [driver|executor] [OPTIONS]

Checks a configuration end to end, a line a check: ok, warn, fail or skip, each failure with its code and what to do.
Give it the settings of the driver or of the executor, where that runs: without a word the settings say which side it is.

The driver's side: settings, token file and rotation, the issuer and its keys, both clocks, the token rule by rule, the
STS, one exchange (audited like any other) and whose credential it gave, the driver's files and port. With no setting of
distribution.*, what resolve needs. The executor's side: settings, files, and one real ask of the driver.

Exit status: 0 if nothing failed, else that of the worst failure. No secret is printed.

  --show-claims                also show the principal and session names, which may be personal data
  --json                       as one JSON document
";

const SPARK: &str = "\
usage: safe-conduct spark --spark-version VERSION [--java-home DIR [--java FILE]] [OPTIONS]

Prints, as lines of a properties file, the settings that this version of Spark needs and that --properties-file and
--conf do not have yet. A setting of the user's own is never changed; one that would lead around safe-conduct is
warned of. Append the output to the file that spark-submit reads.

  --spark-version VERSION      as spark-submit --version says it: 3.5.9, 4.0, 4.3.0
  --java-home DIR              for standalone and local-cluster: also write DIR/bin/java, which starts an executor's JVM
                               through `safe-conduct executor`, and print spark.executorEnv.JAVA_HOME. Needs the
                               executor's settings: distribution.driver and distribution.keyFile (executors.pem)
  --java FILE                  the JVM to start (default: that of $JAVA_HOME, else of $PATH)
";

/// Prints the help for `topic`.
pub(crate) fn print(topic: Topic) -> Result<(), OutputError> {
    write(match topic {
        Topic::All => ALL,
        Topic::Driver => DRIVER,
        Topic::Executor => EXECUTOR,
        Topic::Resolve => RESOLVE,
        Topic::Ready => READY,
        Topic::Keys => KEYS,
        Topic::Install => INSTALL,
        Topic::Inspect => INSPECT,
        Topic::Doctor => DOCTOR,
        Topic::Spark => SPARK,
    })
}

/// Prints the version.
pub(crate) fn version() -> Result<(), OutputError> {
    write(concat!("safe-conduct ", env!("CARGO_PKG_VERSION"), "\n"))
}

fn write(text: &str) -> Result<(), OutputError> {
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(())
}
