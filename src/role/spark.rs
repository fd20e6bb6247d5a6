//! `safe-conduct spark`: prints the settings that Spark needs, and writes the Java folder that executors start through.

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use safe_conduct::codec::properties;
use safe_conduct::config::{ExecutorConfig, Settings, SparkSettings, executor_assignments, s3a_provider};
use safe_conduct::error::{Actionable, Facts, Fault, Retry};
use safe_conduct::sys::file;
use safe_conduct::sys::random::SystemRandomness;

use super::{Failure, OutputError};
use crate::arguments::SparkOptions;

/// Where this program and Java may be.
pub(crate) struct Programs {
    /// This program's own file.
    pub(crate) own: Option<PathBuf>,
    pub(crate) java_home: Option<OsString>,
    /// The folders of the search path.
    pub(crate) path: Vec<PathBuf>,
}

/// Prints what `spark` does not set yet, warns of what leads around us, and writes the folder if one is wanted.
pub(crate) fn run(
    options: &SparkOptions,
    settings: Settings,
    spark: &SparkSettings,
    programs: &Programs,
) -> Result<(), Failure> {
    let provider = s3a_provider(&options.version)?;
    let home = options.java_home.as_deref().map(whole).transpose()?;
    if let Some(home) = &home {
        let assignments = executor_assignments(&settings)?;
        let config = ExecutorConfig::from_settings(settings)?;
        for warning in &config.warnings {
            log::warn!("{warning}");
        }
        let java = real_java(options.java.as_deref(), Path::new(home), programs)?;
        let own = programs.own.as_deref().ok_or(SparkError::NoProgram)?;
        write_folder(Path::new(home), &wrapper(&whole(own)?, &whole(&java)?, &assignments))?;
    }
    for bypass in spark.bypasses(provider, home.as_deref()) {
        log::warn!("{bypass}");
    }
    let mut output = std::io::stdout().lock();
    for (key, value) in spark.missing(provider, home.as_deref()) {
        output.write_all(properties::line(key, &value).as_bytes()).map_err(OutputError::from)?;
    }
    output.flush().map_err(OutputError::from)?;
    Ok(())
}

/// A whole path as text, since it becomes a part of settings and of a script.
fn whole(path: &Path) -> Result<String, SparkError> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = whole.to_str().filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned).ok_or(SparkError::Path)
}

/// The Java that was named, that of the environment, or the first one on the path; never the folder's own.
fn real_java(named: Option<&Path>, home: &Path, programs: &Programs) -> Result<PathBuf, SparkError> {
    let mut places: Vec<PathBuf> = Vec::new();
    if let Some(named) = named {
        places.push(named.to_owned());
    } else {
        places.extend(programs.java_home.iter().map(|home| Path::new(home).join("bin/java")));
        places.extend(programs.path.iter().map(|folder| folder.join("java")));
    }
    let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
    let found = places.into_iter().filter_map(|place| place.canonicalize().ok());
    found.filter(|java| java.is_file()).find(|java| !java.starts_with(&home)).ok_or(SparkError::NoJava)
}

/// Writes `home/bin/java`.
fn write_folder(home: &Path, script: &str) -> Result<(), Failure> {
    let bin = home.join("bin");
    file::private_directory(home)?;
    file::private_directory(&bin)?;
    Ok(file::write_executable(&bin.join("java"), script.as_bytes(), &SystemRandomness::new())?)
}

/// What Spark runs as an executor's `java`: this program as an executor, around the real one. Each executor has a work
/// folder of its own, where the endpoint's files go. The JVM gets the real Java's home back.
fn wrapper(own: &str, java: &str, assignments: &[String]) -> String {
    let mut script =
        String::from("#!/bin/sh\n# Written by `safe-conduct spark`: Spark starts executors through this.\n");
    if let Some(home) = java.strip_suffix("/bin/java") {
        script.push_str(&format!("export JAVA_HOME={}\n", quoted(home)));
    }
    script.push_str(&format!("exec {} executor \\\n", quoted(own)));
    script.push_str("    --conf spark.security.oidc.endpoint.directory=\"$PWD/safe-conduct\" \\\n");
    for assignment in assignments {
        script.push_str(&format!("    --conf {} \\\n", quoted(assignment)));
    }
    script.push_str(&format!("    -- {} \"$@\"\n", quoted(java)));
    script
}

/// One word of a shell's command line, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Why there is no folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SparkError {
    NoJava,
    NoProgram,
    Path,
}

impl fmt::Display for SparkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoJava => "there is no java for the executors to run",
            Self::NoProgram => "this program cannot find its own file",
            Self::Path => "a path is not UTF-8 or has a control character",
        })
    }
}

impl std::error::Error for SparkError {}

impl Actionable for SparkError {
    fn facts(&self) -> Facts {
        match self {
            Self::NoJava => Facts::new(
                "SPARK_NO_JAVA",
                Fault::Configuration,
                Retry::Never,
                "Give --java the java program of the executors' machines, such as /usr/lib/jvm/java-17/bin/java.",
            ),
            Self::NoProgram => {
                Facts::new("SPARK_NO_PROGRAM", Fault::Configuration, Retry::Never, "Mount /proc, and run this again.")
            }
            Self::Path => Facts::new(
                "SPARK_PATH",
                Fault::Configuration,
                Retry::Never,
                "Choose paths of printable UTF-8 text for --java-home, --java and safe-conduct itself.",
            ),
        }
    }
}
