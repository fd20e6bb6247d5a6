//! Numbered bad inputs, 191 to 206: what may lie in the place of the token file, and what is said of it. With them is
//! number 21 as the file that it is; number 200, the torn read, is in `rotation.rs`.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/verdicts.rs"]
mod verdicts;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use folder::Folder;
use safe_conduct::codec::jwt::{JwtError, MAX_TOKEN};
use safe_conduct::identity::{Algorithm, VerifyError};
use safe_conduct::ingest::{FileTokenIngestor, IngestError, KeySource, TokenIngestor};
use safe_conduct::sys::file::FileError;
use safe_conduct::time::Moment;
use verdicts::tokens::{jwks, signed};
use verdicts::{NOW, at, check, claims, verifier};

/// The subject, or why there is none.
type Loaded = Result<String, IngestError>;

fn token(subject: &str) -> String {
    signed(Algorithm::Es256, &claims(&[("sub", &format!("\"{subject}\""))]))
}

fn load_with(ingestor: &mut FileTokenIngestor) -> Loaded {
    let now = Moment { wall: at(NOW), monotonic: Duration::ZERO };
    ingestor.load(now).map(|user| user.subject().as_str().to_owned())
}

fn ingestor(folder: &Folder, path: &Path) -> FileTokenIngestor {
    let keys = KeySource::file(folder.write("jwks.json", jwks().as_bytes()));
    FileTokenIngestor::new(path.to_owned(), verifier(), keys)
}

fn load(folder: &Folder, path: &Path) -> Loaded {
    load_with(&mut ingestor(folder, path))
}

/// What is said of a token file with this content.
fn said_of_content(content: impl AsRef<[u8]>) -> Loaded {
    let folder = Folder::new();
    let path = folder.write("token", content.as_ref());
    load(&folder, &path)
}

fn subject(name: &str) -> Loaded {
    Ok(name.to_owned())
}

fn malformed(source: JwtError) -> Loaded {
    Err(IngestError::Verify(VerifyError::Malformed(source)))
}

fn character(position: usize) -> Loaded {
    malformed(JwtError::Character { position })
}

fn of_file(error: FileError) -> Loaded {
    Err(IngestError::File(error))
}

fn with_mode(path: &Path, mode: u32) -> &Path {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn bad_input_21_a_token_file_in_utf_16_is_refused_at_the_first_byte_that_no_token_has() {
    let units: Vec<u16> = token("a").encode_utf16().collect();
    let bytes = |of: fn(u16) -> [u8; 2], mark: &[u16]| {
        mark.iter().chain(&units).flat_map(|unit| of(*unit)).collect::<Vec<u8>>()
    };
    check(
        21..=21,
        &[
            (21, said_of_content(bytes(u16::to_le_bytes, &[0xfeff])), character(0)),
            (21, said_of_content(bytes(u16::to_be_bytes, &[0xfeff])), character(0)),
            (21, said_of_content(bytes(u16::to_le_bytes, &[])), character(1)),
            (21, said_of_content(bytes(u16::to_be_bytes, &[])), character(0)),
        ],
    );
}

#[test]
fn bad_inputs_191_to_196_and_199_are_no_files_with_a_token() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name);
    let of = |path: &Path| load(&folder, path);
    fs::create_dir(path("directory")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), rustix::fs::Mode::RUSR).unwrap();
    symlink(path("nothing"), path("dangling")).unwrap();
    symlink(path("loop"), path("loop")).unwrap();
    let empty = folder.write("empty", b"");
    let line = folder.write("line", b"\r\n");
    let long = folder.write("long", &[b'a'; MAX_TOKEN + 3]);
    let zero = PathBuf::from("/dev/zero");
    let not_regular = |path: PathBuf| of_file(FileError::NotRegular { path });
    check(
        191..=196,
        &[
            (191, of(&path("none")), of_file(FileError::NotFound { path: path("none") })),
            (192, of(&empty), Err(IngestError::Empty { path: empty })),
            (192, of(&line), Err(IngestError::Empty { path: line })),
            (193, of(&path("directory")), not_regular(path("directory"))),
            (194, of(&path("fifo")), not_regular(path("fifo"))),
            (195, of(&zero), not_regular(zero)),
            (196, said_of_content([b'a'; MAX_TOKEN + 1]), malformed(JwtError::TooLong { length: MAX_TOKEN + 1 })),
            (196, of(&long), of_file(FileError::TooLong { path: long, most: MAX_TOKEN + 2 })),
        ],
    );
    let (dangling, circle) = (path("dangling"), path("loop"));
    // ELOOP, too many links, is number 40.
    let kind = std::io::Error::from_raw_os_error(40).kind();
    check(
        199..=199,
        &[
            (199, of(&dangling), of_file(FileError::NotFound { path: dangling })),
            (199, of(&circle), of_file(FileError::Io { path: circle, kind })),
        ],
    );
}

/// A token file of another user: root gives its own away, anybody else finds one of root's, which holds no token.
fn somebody_elses(folder: &Folder) -> (PathBuf, Loaded) {
    let own = with_mode(&folder.write("owned", token("a").as_bytes()), 0o644).to_owned();
    let us = fs::metadata(&own).unwrap().uid();
    if us == 0 {
        chown(&own, Some(65_534), None).unwrap();
        return (own, subject("a"));
    }
    let others = PathBuf::from("/etc/passwd");
    assert_ne!(fs::metadata(&others).unwrap().uid(), us);
    let place = fs::read(&others).unwrap().iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap();
    (others, character(place))
}

#[test]
fn bad_inputs_197_198_and_201_to_204_are_judged_by_mode_and_content_and_not_by_owner_or_history() {
    let folder = Folder::new();
    let path = folder.write("token", token("a").as_bytes());
    let of_mode = |mode: u32| load(&folder, with_mode(&path, mode));
    let writable = |mode| of_file(FileError::WritableByOthers { path: path.clone(), mode });
    let (others, expected) = somebody_elses(&folder);
    check(
        197..=198,
        &[
            (197, of_mode(0o666), writable(0o666)),
            (197, of_mode(0o620), writable(0o620)),
            (197, of_mode(0o644), subject("a")),
            // kubelet's files are root's, whoever the container runs as: the owner says nothing.
            (198, load(&folder, &others), expected),
        ],
    );
    let (old, new) = (token("old"), token("new"));
    let end = new.len();
    let mut ingestor = ingestor(&folder, with_mode(&path, 0o600));
    let mut holding = |content: Option<&str>| {
        match content {
            Some(content) => drop(folder.write("token", content.as_bytes())),
            None => fs::remove_file(&path).unwrap(),
        }
        load_with(&mut ingestor)
    };
    check(
        201..=204,
        &[
            (201, said_of_content(format!("{new}\n")), subject("new")),
            (201, said_of_content(format!("{new}\r\n")), subject("new")),
            (201, said_of_content(format!("{new}\n\n")), character(end)),
            (201, said_of_content(format!("{new}\r\n\r\n")), character(end)),
            (202, said_of_content([0x7f, b'E', b'L', b'F', 2, 1, 1, 0]), character(0)),
            (202, said_of_content([b'a', 0xff, 0xfe]), character(1)),
            // An older token is as good as its own claims say, so it is taken, and so is the newer one after it.
            (203, holding(Some(&new)), subject("new")),
            (203, holding(Some(&old)), subject("old")),
            (204, holding(None), of_file(FileError::NotFound { path: path.clone() })),
            (204, holding(Some(&new)), subject("new")),
        ],
    );
}

/// Names the file to read to this program, run again as another user.
const UNREADABLE: &str = "SAFE_CONDUCT_TEST_UNREADABLE";

/// Root may read everything, so it runs this very test again as nobody.
#[test]
fn bad_input_205_a_file_that_may_not_be_read_is_refused_as_that() {
    if let Some(path) = std::env::var_os(UNREADABLE).map(PathBuf::from) {
        let said = load(&Folder::new(), &path);
        return check(205..=205, &[(205, said, of_file(FileError::Denied { path }))]);
    }
    let folder = Folder::new();
    let path = with_mode(&folder.write("token", token("a").as_bytes()), 0o000).to_owned();
    if fs::metadata(&path).unwrap().uid() != 0 {
        return check(205..=205, &[(205, load(&folder, &path), of_file(FileError::Denied { path }))]);
    }
    with_mode(folder.root(), 0o711);
    let program = folder.path("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut again = Command::new(with_mode(&program, 0o755));
    again.args(["--exact", "bad_input_205_a_file_that_may_not_be_read_is_refused_as_that"]);
    let output = again.env(UNREADABLE, &path).current_dir("/").uid(65_534).gid(65_534).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn bad_input_206_a_file_whose_reading_fails_is_refused_as_that() {
    // Nothing is mapped at address 0, so the first byte of a process's memory cannot be read: EIO, number 5.
    let path = PathBuf::from("/proc/self/mem");
    let kind = std::io::Error::from_raw_os_error(5).kind();
    let said = load(&Folder::new(), &path);
    check(206..=206, &[(206, said, of_file(FileError::Io { path, kind }))]);
}
