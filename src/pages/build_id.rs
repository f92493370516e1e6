//! What stands for the application's code in page tags. The only file that knows the format of executables.

use std::{
    fs::File,
    io::{BufReader, Read},
    sync::OnceLock,
};

use object::{Object, read::ReadCache};
use sha2::{Digest, Sha256};

use crate::fields::digest::hex;

/// What stands for the application's own code: filters, functions, settings of the engine. Given by the site, else the
/// linker's id of the executable, else a hash of it.
pub(crate) fn build_id(given: Option<&str>) -> &str {
    static EXECUTABLE: OnceLock<String> = OnceLock::new();
    given.unwrap_or_else(|| EXECUTABLE.get_or_init(executable_id))
}

fn executable_id() -> String {
    let open = || File::open(std::env::current_exe()?);
    let linked = open().ok().and_then(|file| {
        let cache = ReadCache::new(file);
        let id = object::File::parse(&cache).ok()?.build_id().ok()??.to_vec();
        Some(hex(&id))
    });
    linked.or_else(|| open().and_then(hash_file).ok()).unwrap_or_else(|| {
        tracing::warn!("the executable can't be read: page tags will not outlive this process; set a build id");
        format!("{:?} {}", std::time::SystemTime::now(), std::process::id())
    })
}

fn hash_file(file: File) -> std::io::Result<String> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut hash = Sha256::new();
    let mut chunk = [0; 1 << 14];
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&chunk[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_has_an_id_that_stays() {
        assert!(executable_id().len() >= 32);
        assert_eq!(executable_id(), executable_id());
    }
}
