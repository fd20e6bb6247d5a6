//! The token file as kubelet and others write it: links, rotations, and what is no token file at all.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/tokens.rs"]
mod tokens;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use folder::Folder;
use safe_conduct::codec::jwt::{JwtError, MAX_TOKEN};
use safe_conduct::identity::{Algorithm, TokenVerifier, VerifyError};
use safe_conduct::ingest::{FileTokenIngestor, IngestError, KeySource, TokenIngestor};
use safe_conduct::name::{Audience, Issuer};
use safe_conduct::sys::file::FileError;
use safe_conduct::time::{Moment, Timestamp};

const NOW: u64 = 1_800_000_000;

fn now() -> Moment {
    Moment { wall: Timestamp::from_unix_seconds(NOW).unwrap(), monotonic: Duration::ZERO }
}

fn token(subject: &str) -> String {
    let (iat, exp) = (NOW - 60, NOW + 3000);
    let claims = format!("{{\"iss\":\"https://i\",\"aud\":\"a\",\"sub\":\"{subject}\",\"iat\":{iat},\"exp\":{exp}}}");
    tokens::signed(Algorithm::EdDsa, &claims)
}

fn ingestor(folder: &Folder, path: &Path) -> FileTokenIngestor {
    let keys = KeySource::file(folder.write("jwks.json", tokens::jwks().as_bytes()));
    let verifier = TokenVerifier::new(Issuer::new("https://i").unwrap(), Audience::new("a").unwrap());
    FileTokenIngestor::new(path.to_owned(), verifier, keys)
}

fn error(folder: &Folder, path: &Path) -> IngestError {
    ingestor(folder, path).load(now()).unwrap_err()
}

/// kubelet's layout: `token -> ..data/token`, `..data -> ..N`. A new folder, then one rename of the link.
fn rotate(folder: &Folder, number: usize, content: &[u8]) {
    let name = format!("..{number}");
    fs::create_dir(folder.path(&name)).unwrap();
    folder.write(&format!("{name}/token"), content);
    symlink(&name, folder.path("..data_tmp")).unwrap();
    fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();
    if number == 0 {
        symlink("..data/token", folder.path("token")).unwrap();
    } else {
        fs::remove_dir_all(folder.path(&format!("..{}", number - 1))).unwrap();
    }
}

#[test]
fn a_token_is_never_torn_over_1_000_rotations_200() {
    let folder = Folder::new();
    // Of different lengths, so that a mixture of two could not be valid; signed once each, as signing is slow.
    let contents: Vec<String> = (0..10).map(|number| token(&"s".repeat(1 + number * 20))).collect();
    rotate(&folder, 0, contents[0].as_bytes());
    let mut ingestor = ingestor(&folder, &folder.path("token"));
    let done = AtomicBool::new(false);
    let (mut reads, mut subjects) = (0, std::collections::BTreeSet::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=1000 {
                rotate(&folder, number, contents[number % contents.len()].as_bytes());
            }
            done.store(true, Ordering::Release);
        });
        loop {
            let last = done.load(Ordering::Acquire);
            match ingestor.load(now()) {
                Ok(user) => {
                    reads += 1;
                    subjects.insert(user.subject().as_str().len());
                }
                // Between following the first link and the second, the old folder may have gone.
                Err(IngestError::File(FileError::NotFound { .. })) => {}
                Err(error) => panic!("{error}"),
            }
            if last {
                break;
            }
        }
    });
    assert!(reads > 0);
    assert!(subjects.iter().all(|length| (length - 1) % 20 == 0));
    assert_eq!(ingestor.load(now()).unwrap().subject().as_str().len(), 1, "the last rotation wrote the first token");
}

#[test]
fn a_rotation_is_noticed_by_content_and_a_new_file_with_the_same_is_none() {
    let folder = Folder::new();
    rotate(&folder, 0, token("a").as_bytes());
    let mut ingestor = ingestor(&folder, &folder.path("token"));
    let first = ingestor.fingerprint().unwrap();
    rotate(&folder, 1, token("a").as_bytes());
    assert_eq!(ingestor.fingerprint().unwrap(), first);
    rotate(&folder, 2, token("b").as_bytes());
    assert_ne!(ingestor.fingerprint().unwrap(), first);
    rotate(&folder, 3, token("a").as_bytes());
    assert_eq!(ingestor.fingerprint().unwrap(), first, "an older token that is put back is the older token");
}

#[test]
fn exactly_one_line_end_is_stripped() {
    let folder = Folder::new();
    let token = token("a");
    for end in ["", "\n", "\r\n"] {
        let path = folder.write("token", format!("{token}{end}").as_bytes());
        assert_eq!(ingestor(&folder, &path).load(now()).unwrap().token().expose(), token);
    }
    for (start, end) in [("", "\n\n"), ("", " "), ("", "\r"), ("", "\0"), (" ", ""), ("\u{feff}", "")] {
        let path = folder.write("token", format!("{start}{token}{end}").as_bytes());
        let position = if start.is_empty() { token.len() } else { 0 };
        let refused = matches!(error(&folder, &path), IngestError::Verify(VerifyError::Malformed(
            JwtError::Character { position: found })) if found == position);
        assert!(refused, "{start:?} {end:?}");
    }
}

#[test]
fn a_file_of_20_000_bytes_is_read_and_a_longer_one_is_not() {
    let folder = Folder::new();
    let longest = "a".repeat(MAX_TOKEN);
    let path = folder.write("token", format!("{longest}\r\n").as_bytes());
    let shape = VerifyError::Malformed(JwtError::Segments { count: 1 });
    assert!(matches!(error(&folder, &path), IngestError::Verify(found) if found == shape));
    let path = folder.write("token", format!("{longest}a").as_bytes());
    let length = VerifyError::Malformed(JwtError::TooLong { length: MAX_TOKEN + 1 });
    assert!(matches!(error(&folder, &path), IngestError::Verify(found) if found == length));
    let path = folder.write("token", format!("{longest}aaa").as_bytes());
    assert!(matches!(error(&folder, &path), IngestError::File(FileError::TooLong { most: 20_002, .. })));
}

#[test]
fn what_is_no_file_with_a_token_is_refused_without_waiting_on_it() {
    let folder = Folder::new();
    let fifo = folder.path("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    for path in [fifo.as_path(), folder.root(), Path::new("/dev/zero"), Path::new("/dev/null")] {
        assert!(matches!(error(&folder, path), IngestError::File(FileError::NotRegular { .. })), "{path:?}");
        assert!(ingestor(&folder, path).fingerprint().is_err());
    }
    let dangling = folder.path("dangling");
    symlink(folder.path("nothing"), &dangling).unwrap();
    for path in [&dangling, &folder.path("nothing")] {
        assert!(matches!(error(&folder, path), IngestError::File(FileError::NotFound { .. })));
    }
    for content in ["", "\n", "\r\n"] {
        let path = folder.write("empty", content.as_bytes());
        assert!(matches!(error(&folder, &path), IngestError::Empty { .. }), "{content:?}");
    }
    let binary = folder.write("binary", &[0x61, 0xff, 0x00]);
    let position = VerifyError::Malformed(JwtError::Character { position: 1 });
    assert!(matches!(error(&folder, &binary), IngestError::Verify(found) if found == position));
}

#[test]
fn a_file_that_others_can_write_is_refused_and_one_that_they_can_read_is_not() {
    let folder = Folder::new();
    let path = folder.write("token", token("a").as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(ingestor(&folder, &path).load(now()).is_ok());
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(error(&folder, &path), IngestError::File(FileError::WritableByOthers { .. })), "{mode:o}");
    }
}

#[test]
fn a_file_that_goes_and_comes_back_is_read_again() {
    let folder = Folder::new();
    let path = folder.write("token", token("a").as_bytes());
    let mut ingestor = ingestor(&folder, &path);
    assert!(ingestor.load(now()).is_ok());
    fs::remove_file(&path).unwrap();
    assert!(matches!(ingestor.load(now()), Err(IngestError::File(FileError::NotFound { .. }))));
    folder.write("token", b"garbage");
    assert!(matches!(ingestor.load(now()), Err(IngestError::Verify(_))));
    folder.write("token", token("b").as_bytes());
    assert_eq!(ingestor.load(now()).unwrap().subject().as_str(), "b");
}
