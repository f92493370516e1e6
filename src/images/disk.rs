//! Variants in a folder that outlives an invocation, such as Lambda's `/tmp`. Whatever goes wrong there is a miss: the
//! folder may be full, read-only or torn. It does not know what a variant is.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{ownership, variant::VariantKey};
use crate::fields::digest::hex;

/// A folder of at most so many bytes.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    capacity: u64,
    /// Read from the folder when it is first needed.
    index: Mutex<Option<Index>>,
}

/// What lies in the folder, and in which order it was last used.
#[derive(Debug, Default)]
struct Index {
    entries: HashMap<String, Entry>,
    bytes: u64,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    bytes: u64,
    used: u64,
}

/// A digest of the rest, ahead of it.
const DIGEST: usize = 32;

/// A file that was begun and never finished is of no use after this.
const ABANDONED: Duration = Duration::from_secs(600);

impl Disk {
    pub(crate) fn new(root: PathBuf, capacity: u64) -> Self {
        Self { root, capacity, index: Mutex::default() }
    }

    pub(crate) fn contains(&self, key: &VariantKey) -> bool {
        self.with_index(|index| index.entries.contains_key(&hex(key.as_bytes())))
    }

    /// What was put under this key, if it is whole.
    pub(crate) fn get(&self, key: &VariantKey) -> Option<Bytes> {
        let name = hex(key.as_bytes());
        if !self.with_index(|index| index.touch(&name)) {
            return None;
        }
        let file = self.read(&name).ok().map(Bytes::from);
        let whole = file.filter(|file| file.len() >= DIGEST && Sha256::digest(&file[DIGEST..])[..] == file[..DIGEST]);
        if whole.is_none() {
            self.with_index(|index| index.remove(&name));
            self.remove(&name);
        }
        whole.map(|file| file.slice(DIGEST..))
    }

    pub(crate) fn put(&self, key: &VariantKey, content: &[u8]) {
        let (name, bytes) = (hex(key.as_bytes()), (DIGEST + content.len()) as u64);
        if bytes > self.capacity / 8 {
            return;
        }
        for old in self.with_index(|index| index.make_room(self.capacity.saturating_sub(bytes))) {
            self.remove(&old);
        }
        match self.write(&name, content) {
            Ok(()) => self.with_index(|index| index.add(name, bytes)),
            Err(error) => tracing::debug!(%error, "an image could not be kept on disk"),
        }
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        ownership::open(&ownership::check_folder(&self.root)?.join(name))?.read_to_end(&mut content)?;
        Ok(content)
    }

    fn remove(&self, name: &str) {
        _ = ownership::check_folder(&self.root).and_then(|folder| fs::remove_file(folder.join(name)));
    }

    /// A file appears under its name when it is whole.
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let folder = ownership::create_folder(&self.root)?;
        // SECURITY: its name can't be foretold, and it is opened only if there is nothing of that name.
        let mut temporary = tempfile::Builder::new().prefix(&format!(".{name}.")).tempfile_in(&folder)?;
        temporary.write_all(&Sha256::digest(content))?;
        temporary.write_all(content)?;
        temporary.persist(folder.join(name))?;
        Ok(())
    }

    fn with_index<T>(&self, look: impl FnOnce(&mut Index) -> T) -> T {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        look(index.get_or_insert_with(|| Index::read(&self.root)))
    }
}

/// SECURITY: the folder may hold what is not ours. Nothing of another name is counted, let alone removed.
fn is_key(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_temporary(name: &str) -> bool {
    name.strip_prefix('.').and_then(|name| name.split('.').next()).is_some_and(is_key)
}

impl Index {
    fn read(root: &Path) -> Self {
        let mut files = Vec::new();
        let folder = match ownership::check_folder(root) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                tracing::warn!(folder = %root.display(), %error, "images are not kept on disk");
                return Self::default();
            }
            // It is made when there is something to keep.
            Err(_) => return Self::default(),
        };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (name, metadata) = (entry.file_name().into_string(), entry.metadata());
            let (Ok(name), Ok(metadata)) = (name, metadata) else { continue };
            let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if is_key(&name) && metadata.is_file() {
                files.push((written, name, metadata.len()));
            } else if is_temporary(&name) && written.elapsed().is_ok_and(|age| age > ABANDONED) {
                _ = fs::remove_file(entry.path());
            }
        }
        files.sort();
        let mut index = Self::default();
        files.into_iter().for_each(|(_, name, bytes)| index.add(name, bytes));
        index
    }

    fn add(&mut self, name: String, bytes: u64) {
        self.remove(&name);
        self.clock += 1;
        self.bytes += bytes;
        self.entries.insert(name, Entry { bytes, used: self.clock });
    }

    fn touch(&mut self, name: &str) -> bool {
        self.clock += 1;
        let found = self.entries.get_mut(name);
        found.map(|entry| entry.used = self.clock).is_some()
    }

    fn remove(&mut self, name: &str) {
        if let Some(entry) = self.entries.remove(name) {
            self.bytes -= entry.bytes;
        }
    }

    /// Forgets what was not used for the longest, until no more than so many bytes are left.
    fn make_room(&mut self, most: u64) -> Vec<String> {
        let mut gone = Vec::new();
        while self.bytes > most {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            self.remove(&oldest);
            gone.push(oldest);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(root: &Path, capacity: u64) -> Disk {
        Disk::new(root.to_owned(), capacity)
    }

    #[test]
    fn what_was_put_is_there_for_the_next_process() {
        let root = tempfile::tempdir().unwrap();
        disk(root.path(), 4096).put(&VariantKey::new([1; 32]), b"one");
        let next = disk(root.path(), 4096);
        assert!(next.contains(&VariantKey::new([1; 32])));
        assert_eq!(next.get(&VariantKey::new([1; 32])).unwrap(), "one");
        assert_eq!(next.get(&VariantKey::new([2; 32])), None);
    }

    #[test]
    fn what_was_not_used_longest_goes_first() {
        let root = tempfile::tempdir().unwrap();
        let disk = disk(root.path(), 1000);
        for key in 0..8 {
            disk.put(&VariantKey::new([key; 32]), &[0; 90]);
        }
        assert!(disk.get(&VariantKey::new([1; 32])).is_some(), "room for eight, and one is 122 bytes long");
        disk.put(&VariantKey::new([8; 32]), &[0; 90]);
        let held: Vec<u8> = (0..9).filter(|key| disk.contains(&VariantKey::new([*key; 32]))).collect();
        assert_eq!(held, [1, 2, 3, 4, 5, 6, 7, 8]);
        let on_disk: u64 = fs::read_dir(root.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(on_disk <= 1000);
        disk.put(&VariantKey::new([9; 32]), &[0; 500]);
        assert!(!disk.contains(&VariantKey::new([9; 32])), "one that would push out all others is not kept");
    }

    #[test]
    fn what_is_torn_is_a_miss_and_goes() {
        let root = tempfile::tempdir().unwrap();
        let disk = disk(root.path(), 4096);
        let file = |key: u8| root.path().join(hex(&[key; 32]));
        for (key, torn) in [(1, &b""[..]), (2, b"short"), (3, &[0; 100])] {
            disk.put(&VariantKey::new([key; 32]), b"whole");
            fs::write(file(key), torn).unwrap();
            assert_eq!(disk.get(&VariantKey::new([key; 32])), None);
            assert!(!file(key).exists() && !disk.contains(&VariantKey::new([key; 32])));
        }
        disk.put(&VariantKey::new([4; 32]), b"whole");
        fs::remove_file(file(4)).unwrap();
        assert_eq!(disk.get(&VariantKey::new([4; 32])), None);
    }

    #[test]
    fn what_lies_there_of_others_stays() {
        let root = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - 2 * ABANDONED;
        let begun = format!(".{}.1.0", hex(&[7; 32]));
        for name in [".env", "thesis.txt", "0123", &begun] {
            fs::write(root.path().join(name), [0; 400]).unwrap();
            fs::File::options().write(true).open(root.path().join(name)).unwrap().set_modified(old).unwrap();
        }
        let disk = disk(root.path(), 1000);
        for key in 0..9 {
            disk.put(&VariantKey::new([key; 32]), &[0; 90]);
        }
        for (name, stays) in [(".env", true), ("thesis.txt", true), ("0123", true), (begun.as_str(), false)] {
            assert_eq!(root.path().join(name).exists(), stays, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn nothing_that_another_has_put_in_the_way_is_read_or_written() {
        use std::os::unix::fs::{MetadataExt, symlink};

        let outside = tempfile::tempdir().unwrap();
        let (folder, planted) = (outside.path().join("cache"), outside.path().join("planted"));
        disk(&folder, 4096).put(&VariantKey::new([1; 32]), b"one");
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(folder.join(hex(&[1; 32]))).unwrap().mode() & 0o777, 0o600);

        fs::rename(folder.join(hex(&[1; 32])), &planted).unwrap();
        symlink(&planted, folder.join(hex(&[1; 32]))).unwrap();
        let next = disk(&folder, 4096);
        assert_eq!(next.get(&VariantKey::new([1; 32])), None, "a link is not followed");
        next.put(&VariantKey::new([1; 32]), b"two");
        assert_eq!(next.get(&VariantKey::new([1; 32])).unwrap(), "two");
        assert_eq!(&fs::read(&planted).unwrap()[DIGEST..], b"one", "nor written through");

        let link = outside.path().join("link");
        symlink(&folder, &link).unwrap();
        let by_link = disk(&link, 4096);
        by_link.put(&VariantKey::new([2; 32]), b"three");
        assert!(by_link.get(&VariantKey::new([1; 32])).is_none() && !folder.join(hex(&[2; 32])).exists());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_kept_where_others_can_exchange_the_folder() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let root = tempfile::tempdir().unwrap();
        let (above, theirs) = (root.path().join("above"), root.path().join("theirs"));
        for folder in [&above, &theirs] {
            fs::create_dir(folder).unwrap();
        }
        let write = |mode| fs::set_permissions(&above, fs::Permissions::from_mode(mode)).unwrap();
        write(0o777);
        let cache = disk(&above.join("cache"), 1000);
        cache.put(&VariantKey::new([1; 32]), b"one");
        assert!(!above.join("cache").exists());
        write(0o700);
        cache.put(&VariantKey::new([1; 32]), b"one");
        assert_eq!(cache.get(&VariantKey::new([1; 32])).unwrap(), "one");

        // It was right when the process began, and is another one by now.
        fs::rename(above.join("cache"), root.path().join("moved")).unwrap();
        symlink(&theirs, above.join("cache")).unwrap();
        for key in 1..9 {
            fs::copy(root.path().join("moved").join(hex(&[1; 32])), theirs.join(hex(&[key; 32]))).unwrap();
        }
        assert_eq!(cache.get(&VariantKey::new([1; 32])), None);
        (1..9).for_each(|key| cache.put(&VariantKey::new([key; 32]), &[0; 90]));
        assert_eq!(fs::read_dir(&theirs).unwrap().count(), 8, "nothing is removed there, and nothing written");
    }

    #[cfg(unix)]
    #[test]
    fn what_lies_there_and_is_no_file_is_a_miss() {
        use std::os::unix::fs::symlink;

        let root = tempfile::tempdir().unwrap();
        let place = |key: u8| root.path().join(hex(&[key; 32]));
        fs::create_dir(place(1)).unwrap();
        symlink("/dev/zero", place(2)).unwrap();
        symlink(place(3), place(3)).unwrap();
        let disk = disk(root.path(), 4096);
        for key in 1..4 {
            assert!(
                !disk.contains(&VariantKey::new([key; 32])) && disk.get(&VariantKey::new([key; 32])).is_none(),
                "{key}"
            );
            disk.put(&VariantKey::new([key; 32]), b"whole");
            assert_eq!(
                disk.get(&VariantKey::new([key; 32])).is_some(),
                key != 1,
                "what is no folder is replaced: {key}"
            );
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_empty_one() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a file");
        fs::write(&file, "").unwrap();
        let disk = disk(&file.join("below"), 4096);
        disk.put(&VariantKey::new([1; 32]), b"one");
        assert_eq!(disk.get(&VariantKey::new([1; 32])), None);
    }
}
