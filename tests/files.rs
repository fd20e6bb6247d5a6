//! Files from outside and files of ours: bad inputs 191 to 206, 332 to 334 and 340 as far as files go.

#[path = "support/folder.rs"]
mod folder;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use folder::Folder;
use safe_conduct::error::Actionable;
use safe_conduct::sys::file::{self, FileError};
use safe_conduct::sys::random::SystemRandomness;

const MOST: usize = 20_002;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_missing_file_and_a_dangling_link_are_not_found_191_199() {
    let folder = Folder::new();
    let path = folder.path("none");
    assert_eq!(file::read(&path, MOST).unwrap_err(), FileError::NotFound { path: path.clone() });
    symlink("nowhere", folder.path("link")).unwrap();
    assert!(matches!(file::read(&folder.path("link"), MOST), Err(FileError::NotFound { .. })));
}

#[test]
fn an_empty_file_is_read_as_empty_192() {
    let folder = Folder::new();
    let path = folder.write("empty", b"");
    assert!(file::read(&path, MOST).unwrap().content.as_slice().is_empty());
}

#[test]
fn a_directory_a_fifo_and_a_device_are_refused_without_waiting_193_194_195() {
    let folder = Folder::new();
    assert!(matches!(file::read(folder.root(), MOST), Err(FileError::NotRegular { .. })));
    assert!(matches!(file::read(Path::new("/dev/zero"), MOST), Err(FileError::NotRegular { .. })));
    let fifo = folder.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    assert_eq!(file::read(&fifo, MOST).unwrap_err(), FileError::NotRegular { path: fifo.clone() });
    assert!(file::open_append(&fifo).is_err());
}

#[test]
fn a_file_is_read_up_to_its_limit_and_not_a_byte_further_196() {
    let folder = Folder::new();
    let path = folder.write("long", &vec![b'x'; MOST]);
    assert_eq!(file::read(&path, MOST).unwrap().content.as_slice().len(), MOST);
    let path = folder.write("longer", &vec![b'x'; MOST + 1]);
    assert_eq!(file::read(&path, MOST).unwrap_err(), FileError::TooLong { path, most: MOST });
}

#[test]
fn a_file_that_has_more_in_it_than_it_says_is_not_read_by_half() {
    // The kernel says that this file has no bytes, and gives some ten thousand.
    let path = Path::new("/proc/self/smaps");
    assert_eq!(file::read(path, 1024 * 1024).unwrap_err(), FileError::Grew { path: path.to_owned() });
}

#[test]
fn a_file_that_group_or_others_may_write_is_refused_and_one_that_all_may_read_is_told_apart_197_340() {
    let folder = Folder::new();
    let path = folder.write("token", b"x");
    for (bits, readable) in [(0o600, false), (0o640, false), (0o440, false), (0o644, true), (0o444, true)] {
        set_mode(&path, bits);
        assert_eq!(file::read(&path, MOST).unwrap().readable_by_others, readable, "{bits:o}");
    }
    for bits in [0o620, 0o602, 0o666, 0o622] {
        set_mode(&path, bits);
        let expected = FileError::WritableByOthers { path: path.clone(), mode: bits };
        assert_eq!(file::read(&path, MOST).unwrap_err(), expected);
    }
}

#[test]
fn a_new_file_is_private_and_never_overwrites_or_follows_a_link_332_333() {
    let folder = Folder::new();
    let path = folder.path("key.pem");
    file::create_new(&path, b"first").unwrap();
    assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o600, b"first".to_vec()));
    assert_eq!(file::create_new(&path, b"second").unwrap_err(), FileError::Exists { path: path.clone() });
    symlink(folder.path("elsewhere"), folder.path("link")).unwrap();
    assert!(matches!(file::create_new(&folder.path("link"), b"x"), Err(FileError::Exists { .. })));
    assert!(!folder.path("elsewhere").exists());
    assert_eq!(fs::read(&path).unwrap(), b"first");
}

#[test]
fn a_replaced_file_is_whole_private_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let random = SystemRandomness::new();
    let path = folder.write("endpoint.url", b"old");
    set_mode(&path, 0o666);
    file::replace(&path, b"new", &random).unwrap();
    assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o600, b"new".to_vec()));
    // A link is replaced, not followed.
    symlink(&path, folder.path("link")).unwrap();
    file::replace(&folder.path("link"), b"other", &random).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 2);
}

#[test]
fn a_replacement_that_fails_leaves_the_old_file_and_no_temporary_one_334() {
    let folder = Folder::new();
    fs::create_dir(folder.path("taken")).unwrap();
    fs::write(folder.path("taken/inside"), b"x").unwrap();
    // A rename onto a directory that is not empty fails after the temporary file was written.
    assert!(file::replace(&folder.path("taken"), b"new", &SystemRandomness::new()).is_err());
    assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 1);
}

#[test]
fn a_private_directory_is_made_or_checked() {
    let folder = Folder::new();
    let path = folder.path("run");
    file::private_directory(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    file::private_directory(&path).unwrap();
    set_mode(&path, 0o1777);
    assert_eq!(
        file::private_directory(&path).unwrap_err(),
        FileError::WritableByOthers { path: path.clone(), mode: 0o1777 }
    );
    let plain = folder.write("plain", b"");
    assert_eq!(file::private_directory(&plain).unwrap_err(), FileError::NotDirectory { path: plain });
    let fresh = file::temporary_directory(folder.root(), &SystemRandomness::new()).unwrap();
    assert_eq!(mode(&fresh), 0o700);
}

#[test]
fn a_program_is_copied_whole_and_executable() {
    let folder = Folder::new();
    let from = folder.write("program", b"#!/bin/true\n");
    file::copy_executable(&from, &folder.path("copy"), &SystemRandomness::new()).unwrap();
    assert_eq!(mode(&folder.path("copy")), 0o755);
    assert_eq!(fs::read(folder.path("copy")).unwrap(), fs::read(&from).unwrap());
}

#[test]
fn every_file_error_has_a_code_of_its_own_group() {
    let folder = Folder::new();
    let error = file::read(&folder.path("none"), MOST).unwrap_err();
    assert_eq!(error.facts().code, "FILE_NOT_FOUND");
    assert!(error.to_string().contains("none does not exist"));
}
