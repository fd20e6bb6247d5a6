//! Files: the only place that opens, writes or copies one. Opens first, then checks what it opened.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::error::{Actionable, Facts, Fault, Retry};
use crate::secret::WipedBuffer;
use crate::sys::random::{Random, RandomError};

/// Permission bits that let somebody else change a file.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Permission bits that let everybody read a file. A group may: Kubernetes gives a non-root user its files that way.
const READABLE_BY_ALL: u32 = 0o004;

/// A file's content, and what its permissions say.
#[derive(Debug)]
pub struct PrivateFile {
    /// Everything in it, in wiped memory.
    pub content: WipedBuffer,
    /// Whether every user of the machine may read it: worth a warning where it holds a secret.
    pub readable_by_others: bool,
}

/// Reads a whole file of at most `most` bytes. Symbolic links are followed: kubelet's files are links.
///
/// One descriptor is opened, checked and read to its end, so a rotation in between cannot tear the content.
///
/// # Errors
/// [`FileError`]: a FIFO, device or directory is refused without waiting on it, and so is a file that group or
/// others may write.
pub fn read(path: &Path, most: usize) -> Result<PrivateFile, FileError> {
    // O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| FileError::io(path, &errno.into()))?;
    let mut file = File::from(opened);
    let metadata = file.metadata().map_err(|error| FileError::io(path, &error))?;
    if !metadata.is_file() {
        return Err(FileError::NotRegular { path: path.to_owned() });
    }
    let mode = metadata.mode();
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(FileError::WritableByOthers { path: path.to_owned(), mode: mode & 0o7777 });
    }
    // Sized by what the file says of itself, so that a generous limit costs no memory.
    let announced = usize::try_from(metadata.size()).unwrap_or(usize::MAX);
    let capacity = most.min(announced.saturating_add(READ_CHUNK));
    let mut content = WipedBuffer::with_capacity(capacity);
    let mut chunk = WipedBuffer::zeroed(READ_CHUNK);
    loop {
        let count = match file.read(chunk.as_mut_slice()) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(FileError::io(path, &error)),
        };
        if content.as_slice().len().saturating_add(count) > most {
            return Err(FileError::TooLong { path: path.to_owned(), most });
        }
        let pushed = chunk.as_slice().get(..count).map(|bytes| content.push(bytes));
        if pushed != Some(Ok(())) {
            return Err(FileError::Grew { path: path.to_owned() });
        }
    }
    Ok(PrivateFile { content, readable_by_others: mode & READABLE_BY_ALL != 0 })
}

/// Bytes read at a time: a page, which holds any token file we know whole.
const READ_CHUNK: usize = 4096;

/// Makes a file of mode 0600. An existing one, also a symbolic link, is left as it is.
///
/// # Errors
/// [`FileError::Exists`] if there is something of that name.
pub fn create_new(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write_new(path, content, 0o600)?;
    sync_directory(path)
}

/// Replaces or makes a file of mode 0600: whole or not at all, even if the machine stops in between.
///
/// # Errors
/// [`FileError`]; the old file is then still there and the temporary one is gone.
pub fn replace(path: &Path, content: &[u8], random: &dyn Random) -> Result<(), FileError> {
    let temporary = temporary_beside(path, random)?;
    finish_replacement(path, &temporary, write_new(&temporary, content, 0o600))
}

/// Writes a script of mode 0755, whole or not at all: where an older one was or anew.
///
/// # Errors
/// [`FileError`]; the old file is then still there and the temporary one is gone.
pub fn write_executable(path: &Path, content: &[u8], random: &dyn Random) -> Result<(), FileError> {
    let temporary = temporary_beside(path, random)?;
    finish_replacement(path, &temporary, write_new(&temporary, content, 0o755))
}

/// Takes away the files in a directory whose names begin with `prefix`. Without the directory there are none.
///
/// # Errors
/// [`FileError`] names what stays.
pub fn remove_beginning_with(directory: &Path, prefix: &str) -> Result<(), FileError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::io(directory, &error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| FileError::io(directory, &error))?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Copies a program to `to`, mode 0755, whole or not at all.
///
/// # Errors
/// [`FileError`] names the file at which it failed.
pub fn copy_executable(from: &Path, to: &Path, random: &dyn Random) -> Result<(), FileError> {
    let mut source = File::open(from).map_err(|error| FileError::io(from, &error))?;
    let temporary = temporary_beside(to, random)?;
    let copied = new_file(&temporary, 0o755).and_then(|mut file| {
        let all = std::io::copy(&mut source, &mut file).and_then(|_| file.sync_all());
        // The umask may have taken bits away; other users' containers run this file.
        all.and_then(|()| file.set_permissions(std::fs::Permissions::from_mode(0o755)))
            .map_err(|error| FileError::io(&temporary, &error))
    });
    finish_replacement(to, &temporary, copied)
}

/// Takes a file away; one that is gone already is no error.
///
/// # Errors
/// [`FileError`] if it is still there.
pub fn remove(path: &Path) -> Result<(), FileError> {
    gone(path, std::fs::remove_file(path))
}

/// Takes an empty folder away; one that is gone already is no error.
///
/// # Errors
/// [`FileError`] if it is still there, because somebody has put something into it.
pub fn remove_directory(path: &Path) -> Result<(), FileError> {
    gone(path, std::fs::remove_dir(path))
}

fn gone(path: &Path, removed: std::io::Result<()>) -> Result<(), FileError> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(FileError::io(path, &error)),
        _ => Ok(()),
    }
}

/// Makes a folder of mode 0700, or checks that an existing one is a folder that others cannot write to.
///
/// # Errors
/// [`FileError`]; its parent must exist.
pub fn private_directory(path: &Path) -> Result<(), FileError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let metadata = std::fs::metadata(path).map_err(|error| FileError::io(path, &error))?;
            if !metadata.is_dir() {
                return Err(FileError::NotDirectory { path: path.to_owned() });
            }
            // A sticky folder such as /tmp is no exception: our fixed names could be taken there beforehand.
            if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
                return Err(FileError::WritableByOthers { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
            }
            Ok(())
        }
        Err(error) => Err(FileError::io(path, &error)),
    }
}

/// Makes a fresh folder of mode 0700 with an unpredictable name under `parent`.
///
/// # Errors
/// [`FileError`] if it cannot be made.
pub fn temporary_directory(parent: &Path, random: &dyn Random) -> Result<PathBuf, FileError> {
    let path = parent.join(format!("safe-conduct-{}", random_hex(parent, random)?));
    DirBuilder::new().mode(0o700).create(&path).map_err(|error| FileError::io(&path, &error))?;
    Ok(path)
}

/// A file that only grows, by whole lines.
#[derive(Debug)]
pub struct AppendedFile(File);

impl AppendedFile {
    /// Appends `line` whole or not at all: what a full disk took of it is taken back.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        let length = self.0.metadata()?.len();
        self.0.write_all(line).inspect_err(|_| {
            // Where even this fails there is nothing left to try.
            let _ = self.0.set_len(length);
        })
    }
}

/// Opens a file for appending; mode 0600 if it is new.
///
/// # Errors
/// [`FileError`] if it is no regular file or cannot be opened.
pub fn open_append(path: &Path) -> Result<AppendedFile, FileError> {
    // O_NONBLOCK, as an int: opening a FIFO without a reader fails at once instead of waiting.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(nonblocking).open(path);
    let file = opened.map_err(|error| FileError::io(path, &error))?;
    let metadata = file.metadata().map_err(|error| FileError::io(path, &error))?;
    if !metadata.is_file() {
        return Err(FileError::NotRegular { path: path.to_owned() });
    }
    Ok(AppendedFile(file))
}

fn new_file(path: &Path, mode: u32) -> Result<File, FileError> {
    // create_new is O_EXCL: it neither follows a link nor takes over what is there.
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    opened.map_err(|error| FileError::io(path, &error))
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let mut file = new_file(path, mode)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Ours alone, and incomplete: nobody may find it.
        let _ = std::fs::remove_file(path);
        FileError::io(path, &error)
    })
}

fn finish_replacement(path: &Path, temporary: &Path, written: Result<(), FileError>) -> Result<(), FileError> {
    let moved = written
        .and_then(|()| std::fs::rename(temporary, path).map_err(|error| FileError::io(path, &error)))
        .and_then(|()| sync_directory(path));
    if moved.is_err() {
        let _ = std::fs::remove_file(temporary);
    }
    moved
}

fn temporary_beside(path: &Path, random: &dyn Random) -> Result<PathBuf, FileError> {
    let name = format!(".safe-conduct-{}", random_hex(path, random)?);
    Ok(folder_of(path).join(name))
}

fn random_hex(path: &Path, random: &dyn Random) -> Result<String, FileError> {
    let mut bytes = [0; 8];
    random.fill(&mut bytes).map_err(|RandomError| FileError::NoRandomness { path: path.to_owned() })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new name in a folder survives a crash only once the folder itself is on disk.
fn sync_directory(path: &Path) -> Result<(), FileError> {
    let folder = folder_of(path);
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(|error| FileError::io(folder, &error))
}

/// What is wrong with a file. Paths are settings, not secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileError {
    /// There is none.
    NotFound {
        /// Of this name.
        path: PathBuf,
    },
    /// We may not read or write it.
    Denied {
        /// Which file.
        path: PathBuf,
    },
    /// A FIFO, device, socket or directory.
    NotRegular {
        /// Which.
        path: PathBuf,
    },
    /// Something that is no directory where one is needed.
    NotDirectory {
        /// Which.
        path: PathBuf,
    },
    /// Longer than what it may hold.
    TooLong {
        /// Which file.
        path: PathBuf,
        /// Most bytes that are read.
        most: usize,
    },
    /// It became longer while it was read, so its writer does not replace it as a whole.
    Grew {
        /// Which file.
        path: PathBuf,
    },
    /// Group or others may write to it, so it may not be what it seems.
    WritableByOthers {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is there already and is never overwritten.
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// No randomness for a name.
    NoRandomness {
        /// For which file.
        path: PathBuf,
    },
    /// The operating system reports something else.
    Io {
        /// For which file.
        path: PathBuf,
        /// What.
        kind: ErrorKind,
    },
}

impl FileError {
    fn io(path: &Path, error: &std::io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound { path },
            ErrorKind::PermissionDenied => Self::Denied { path },
            ErrorKind::AlreadyExists => Self::Exists { path },
            ErrorKind::IsADirectory => Self::NotRegular { path },
            kind => Self::Io { path, kind },
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path } => write!(f, "{} does not exist", path.display()),
            Self::Denied { path } => write!(f, "{} may not be accessed by this user", path.display()),
            Self::NotRegular { path } => write!(f, "{} is not a regular file", path.display()),
            Self::NotDirectory { path } => write!(f, "{} is not a directory", path.display()),
            Self::TooLong { path, most } => write!(f, "{} has more than {most} bytes", path.display()),
            Self::Grew { path } => write!(f, "{} grew while it was read", path.display()),
            Self::WritableByOthers { path, mode } => {
                write!(f, "{} can be written by group or others (mode {mode:04o})", path.display())
            }
            Self::Exists { path } => write!(f, "{} exists already", path.display()),
            Self::NoRandomness { path } => write!(f, "there is no randomness for a new name at {}", path.display()),
            Self::Io { path, kind } => write!(f, "{}: {kind}", path.display()),
        }
    }
}

impl std::error::Error for FileError {}

impl Actionable for FileError {
    fn facts(&self) -> Facts {
        match self {
            Self::NotFound { .. } => Facts::new(
                "FILE_NOT_FOUND",
                Fault::Configuration,
                Retry::Backoff,
                "Check the path and that the volume with it is mounted.",
            ),
            Self::Denied { .. } => Facts::new(
                "FILE_DENIED",
                Fault::Configuration,
                Retry::Backoff,
                "Run as the user who owns the file, or mount it with defaultMode 0440 and set the pod's fsGroup.",
            ),
            Self::NotRegular { .. } => Facts::new(
                "FILE_NOT_REGULAR",
                Fault::Configuration,
                Retry::Never,
                "Name a regular file in the setting.",
            ),
            Self::NotDirectory { .. } => {
                Facts::new("FILE_NOT_DIRECTORY", Fault::Configuration, Retry::Never, "Name a directory in the setting.")
            }
            Self::TooLong { .. } => Facts::new(
                "FILE_TOO_LONG",
                Fault::Configuration,
                Retry::Backoff,
                "Name the right file in the setting; this one holds too much.",
            ),
            Self::Grew { .. } => Facts::new(
                "FILE_GREW",
                Fault::Configuration,
                Retry::Backoff,
                "Have the file replaced as a whole: written beside it and renamed, as kubelet does.",
            ),
            Self::WritableByOthers { .. } => Facts::new(
                "FILE_WRITABLE_BY_OTHERS",
                Fault::Configuration,
                Retry::Backoff,
                "Take write permission from group and others (chmod go-w, or defaultMode 0440 on the volume).",
            ),
            Self::Exists { .. } => Facts::new(
                "FILE_EXISTS",
                Fault::Configuration,
                Retry::Never,
                "Name an empty directory, or remove the old file first.",
            ),
            Self::NoRandomness { .. } => Facts::new(
                "FILE_NO_RANDOMNESS",
                Fault::Configuration,
                Retry::Backoff,
                "Give the container access to the kernel's random source.",
            ),
            Self::Io { .. } => Facts::new(
                "FILE_IO",
                Fault::Configuration,
                Retry::Backoff,
                "Check the disk and the mount: full, read-only or gone.",
            ),
        }
    }
}
