//! `safe-conduct spark` as people run it: the table of Spark versions, what is printed, and the folder that is written.

#![cfg(feature = "cli")]

#[path = "support/folder.rs"]
mod folder;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use folder::Folder;
use safe_conduct::config::{S3A_PROVIDERS, s3a_provider};

const PROGRAM: &str = env!("CARGO_BIN_EXE_safe-conduct");
const HINT_VERSION: &str = "hint: Give --spark-version as spark-submit --version says it: 3.5.9, or 3.5.\n";

/// Version and class, as real jobs were seen to need them (Spark 3.5.9, 4.0.5 and 4.3.0 against a real S3A).
const MEASURED: [(&str, &str); 4] = [
    ("3.5.9", "com.amazonaws.auth.EC2ContainerCredentialsProviderWrapper"),
    ("4.0.5", "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"),
    ("4.1.0", "software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider"),
    ("4.3.0", "software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider"),
];

fn spark(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("spark").args(arguments).env_remove("JAVA_HOME").output().unwrap()
}

/// Standard output and standard error of a run that succeeds.
fn said(arguments: &[&str]) -> (String, String) {
    let output = spark(arguments);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
    (out, err)
}

/// The exit status and standard error of a run that fails, with nothing on standard output.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = spark(arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A job's keys, and the options with which an executor's settings are given.
fn job(folder: &Folder) -> (String, Vec<String>) {
    let keys = folder.path("it's keys");
    assert!(Command::new(PROGRAM).args(["keys", "new"]).arg(&keys).output().unwrap().status.success());
    let keys = keys.join("executors.pem").to_str().unwrap().to_owned();
    let prefix = "spark.security.oidc.distribution.";
    let mut options = Vec::new();
    for setting in ["driver=127.0.0.1:7443".to_owned(), format!("keyFile={keys}")] {
        options.extend(["--conf".to_owned(), format!("{prefix}{setting}")]);
    }
    (keys, options)
}

#[test]
fn each_version_is_given_the_provider_that_was_measured_with_it() {
    for (version, class) in MEASURED {
        let (out, err) = said(&["--spark-version", version]);
        assert_eq!(out, format!("spark.hadoop.fs.s3a.aws.credentials.provider={class}\n"), "{version}");
        assert_eq!(err, "", "{version}");
    }
}

#[test]
fn readmes_table_of_providers_is_the_codes_table() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for row in S3A_PROVIDERS {
        assert!(text.contains(&format!("| {} | `{}` |", row.spark, row.class)), "{}", row.spark);
    }
}

// The oracle is the table of measurements beside the checkout.
#[test]
fn the_measured_table_names_the_same_providers() {
    let facts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/facts/local-endpoints.md");
    let Ok(text) = fs::read_to_string(facts) else {
        println!("not run: ../shared is not beside the checkout");
        return;
    };
    let section = text.split("### 4.0 ").nth(1).unwrap().split("### 4.1 ").next().unwrap();
    let mut rows = 0;
    for line in section.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let version = cells[1].split(' ').next().unwrap();
        let class = cells[4].split('`').nth(1).unwrap();
        assert_eq!(s3a_provider(version).unwrap().class, class, "Spark {version}");
        rows += 1;
    }
    assert_eq!(rows, S3A_PROVIDERS.len());
}

#[test]
fn an_older_or_unreadable_version_is_refused() {
    for version in ["3.4.4", "2.4", "four", "PLANTED"] {
        let message = "error[SPARK_VERSION]: the version of Spark is not one from 3.5 on\n";
        assert_eq!(refused(&["--spark-version", version]), (Some(78), format!("{message}{HINT_VERSION}")), "{version}");
    }
}

#[test]
fn what_the_user_has_set_stays_and_a_way_around_us_is_said_without_its_value() {
    let folder = Folder::new();
    let properties = "spark.hadoop.fs.s3a.secret.key PLANTED\n\
                      spark.hadoop.fs.s3a.aws.credentials.provider PLANTED.IAMInstanceCredentialsProvider\n";
    let file = folder.write("spark.properties", properties.as_bytes());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let (out, err) = said(&["--spark-version", "4.3.0", "--properties-file", file.to_str().unwrap()]);
    assert_eq!(out, "");
    assert_eq!(err.matches(" WARN ").count(), 2, "{err}");
    assert!(err.contains("spark.hadoop.fs.s3a.secret.key leads to static keys"), "{err}");
    assert!(err.contains("names a provider that turns to the node's role for good after one failed call"), "{err}");
    assert!(!err.contains("PLANTED"), "{err}");
}

#[test]
fn with_its_own_output_appended_to_the_file_nothing_is_left_to_say() {
    let folder = Folder::new();
    let (_, options) = job(&folder);
    let home = folder.path("java home");
    let mut arguments = vec!["--spark-version", "4.0", "--java", "/bin/sh", "--java-home", home.to_str().unwrap()];
    arguments.extend(options.iter().map(String::as_str));
    let (out, err) = said(&arguments);
    assert_eq!((out.lines().count(), err.as_str()), (2, ""));
    let file = folder.write("spark.properties", out.as_bytes());
    arguments.extend(["--properties-file", file.to_str().unwrap()]);
    assert_eq!(said(&arguments), (String::new(), String::new()));
}

/// A program that says how it was called.
fn recorder(folder: &Folder, name: &str) -> String {
    let path = folder.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "#!/bin/sh\necho \"JAVA_HOME=$JAVA_HOME\"\nfor word; do echo \"<$word>\"; done\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_folders_java_starts_the_real_one_through_an_executor_with_every_word_as_it_was() {
    let folder = Folder::new();
    let (keys, options) = job(&folder);
    let java = recorder(&folder, "real $HOME `jdk`/bin/java");
    let home = folder.path("wrapped");
    let mut arguments = vec!["--spark-version", "4.3.0", "--java", &java, "--java-home", home.to_str().unwrap()];
    arguments.extend(options.iter().map(String::as_str));
    let (out, _) = said(&arguments);
    assert!(out.ends_with(&format!("\nspark.executorEnv.JAVA_HOME={}\n", home.display())), "{out}");
    let script = home.join("bin/java");
    assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o755);

    // The wrapper calls this program; here another one stands in its place and says what it was given.
    let stand_in = recorder(&folder, "stand-in");
    let own = Path::new(PROGRAM).canonicalize().unwrap();
    let text = fs::read_to_string(&script).unwrap().replace(own.to_str().unwrap(), &stand_in);
    assert!(text.contains(&stand_in), "{text}");
    fs::write(&script, text).unwrap();
    let work = folder.path("work");
    fs::create_dir(&work).unwrap();
    let called = Command::new(&script).args(["-Xmx1g", "a b", "--", "'"]).current_dir(&work).output().unwrap();
    let prefix = "spark.security.oidc.";
    let expected = [
        "executor".to_owned(),
        "--conf".to_owned(),
        format!("{prefix}endpoint.directory={}/safe-conduct", work.canonicalize().unwrap().display()),
        "--conf".to_owned(),
        format!("{prefix}distribution.driver=127.0.0.1:7443"),
        "--conf".to_owned(),
        format!("{prefix}distribution.keyFile={keys}"),
        "--".to_owned(),
        java.clone(),
        "-Xmx1g".to_owned(),
        "a b".to_owned(),
        "--".to_owned(),
        "'".to_owned(),
    ];
    let words = expected.map(|word| format!("<{word}>\n")).concat();
    let home = java.strip_suffix("/bin/java").unwrap();
    assert_eq!(String::from_utf8(called.stdout).unwrap(), format!("JAVA_HOME={home}\n{words}"));
}

#[test]
fn a_folder_needs_the_executors_settings_and_a_java_that_is_not_its_own() {
    let folder = Folder::new();
    let (_, options) = job(&folder);
    let home = folder.path("wrapped");
    let home = home.to_str().unwrap();
    let base = ["--spark-version", "4.3.0", "--java-home", home];
    let (status, error) = refused(&[&base[..], &["--java", "/bin/sh"]].concat());
    assert_eq!(status, Some(78));
    let missing = "error[CONFIG_MISSING_KEY]: spark.security.oidc.distribution.driver is not set\n";
    assert!(error.starts_with(missing), "{error}");

    let all: Vec<&str> = base.into_iter().chain(options.iter().map(String::as_str)).collect();
    let no_java = |error: &str| error.starts_with("error[SPARK_NO_JAVA]: there is no java for the executors to run\n");
    let (status, error) = refused(&[&all[..], &["--java", "/no/such/java"]].concat());
    assert!(status == Some(78) && no_java(&error), "{error}");
    assert!(!Path::new(home).exists(), "nothing is written");

    said(&[&all[..], &["--java", "/bin/sh"]].concat());
    let own = format!("{home}/bin/java");
    let (status, error) = refused(&[&all[..], &["--java", &own]].concat());
    assert!(status == Some(78) && no_java(&error), "{error}");
    let nothing_else = Command::new(PROGRAM).arg("spark").args(&all).env("JAVA_HOME", home).env("PATH", "").output();
    assert!(no_java(&String::from_utf8(nothing_else.unwrap().stderr).unwrap()));
}

#[test]
fn java_is_that_of_java_home_and_else_the_first_of_the_path() {
    let folder = Folder::new();
    let (_, options) = job(&folder);
    let (first, second) = (recorder(&folder, "jdk-1/bin/java"), recorder(&folder, "jdk-2/bin/java"));
    let home = folder.path("wrapped");
    let script = |java_home: Option<&str>| {
        let mut command = Command::new(PROGRAM);
        command.args(["spark", "--spark-version", "3.5", "--java-home"]).arg(&home).args(&options);
        command.env("PATH", format!("/no/such:{}", Path::new(&second).parent().unwrap().display()));
        match java_home {
            Some(java_home) => command.env("JAVA_HOME", java_home),
            None => command.env_remove("JAVA_HOME"),
        };
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read_to_string(home.join("bin/java")).unwrap()
    };
    let ends_in = |script: &str, java: &str| script.ends_with(&format!("    -- '{java}' \"$@\"\n"));
    assert!(ends_in(&script(first.strip_suffix("/bin/java")), &first));
    assert!(ends_in(&script(None), &second));
    assert!(ends_in(&script(Some("/no/such")), &second));
}
