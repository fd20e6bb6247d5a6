//! The certificates of `tests/certs/peers`, as proofs of a driver and of executors.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};

use safe_conduct::distribute::{DriverProof, ExecutorProof, OwnFiles, PeerFiles};
use safe_conduct::sys::tls::PeerName;

use crate::job::folder::Folder;

/// A file of the folder. Git keeps no permissions that we care for, so a test that needs some copies it.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs/peers").join(name)
}

pub fn text(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap()
}

/// Certificate and key of this name, copied with mode 0600.
pub fn own(folder: &Folder, name: &str) -> OwnFiles {
    own_of(folder, &text(&format!("{name}.pem")), &text(&format!("{name}.key")))
}

/// Certificate and key of these texts.
pub fn own_of(folder: &Folder, certificate: &[u8], key: &[u8]) -> OwnFiles {
    let number = std::fs::read_dir(folder.root()).unwrap().count();
    OwnFiles {
        certificate: folder.write(&format!("{number}.pem"), certificate),
        key: folder.write(&format!("{number}.key"), key),
    }
}

/// A peer of this name, vouched for by this authority.
pub fn peer(folder: &Folder, authority: &str, name: &str) -> PeerFiles {
    let authorities = folder.write(&format!("copy-{authority}.pem"), &text(&format!("{authority}.pem")));
    PeerFiles { authorities, name: PeerName::new(name).unwrap() }
}

pub fn driver(folder: &Folder) -> DriverProof {
    let executors = peer(folder, "ca", "executor.job.test");
    DriverProof::Certificates { own: own(folder, "driver"), executors }
}

pub fn executor(folder: &Folder, own: OwnFiles) -> ExecutorProof {
    ExecutorProof::Certificates { own, driver: peer(folder, "ca", "driver.job.test") }
}
