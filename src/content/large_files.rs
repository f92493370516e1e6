//! Files of any size from a disk, in pieces. It does not know what is in them, nor whether they are sent.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, ErrorKind as Io, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use http::{HeaderMap, Method};
use tokio::task::spawn_blocking;

use super::ContentManager;
use crate::{
    error::{Error, ErrorKind, Result},
    fields::media_type,
    representation::Representation,
};

impl ContentManager {
    /// A file of any size from a disk of this machine, such as an export, a film or an upload in `/tmp` or on a volume.
    ///
    /// It is opened only if it is sent. It is then read in pieces of 64 KiB, as a [`Representation::stream`]. Its Content-Type
    /// comes from the extension of its name, with `nosniff`. Where that says nothing, it is told from the first bytes, which are
    /// read at once. Byte ranges are offered: the file is read from the first byte of the
    /// range on. Methods: GET and HEAD.
    ///
    /// It has no validator, because the modification time of a file says little about its content. Give it a tag of your own with
    /// [`with_entity_tag`](Representation::with_entity_tag), such as the version in the row that names the file. The tag must
    /// change when the file changes. Files that are deployed with the site have a tag: use [`static_file`](Self::static_file).
    ///
    /// SECURITY: never make the path from a text of the request. It could lead to any file of the machine.
    ///
    /// If there is no such file, the result is the [`not_found`](Self::not_found) page, which takes no policy, download name or
    /// validator that is set for the file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the file can't be examined, for example without permission, or its first bytes can't be read where
    /// its name says no type. When it is sent: if it can't be read, or
    /// if its length has changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded, EntityTag};
    /// use http_body_util::BodyExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("export.csv");
    /// std::fs::write(&path, "a,b\n1,2\n")?;
    /// let export = content.file(&path)?.with_entity_tag(EntityTag::strong("export-7"));
    /// let request = http::Request::get("/").header("range", "bytes=4-").body(())?;
    /// let response = CloudFront::new().respond(&request, export).await?;
    /// assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "1,2\n");
    /// # Ok::<(), chalice_http_toolkit::BoxError>(())
    /// # }).unwrap();
    /// ```
    pub fn file(&self, path: impl Into<PathBuf>) -> Result<Representation> {
        let path = path.into();
        let found = match std::fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if [Io::NotFound, Io::NotADirectory].contains(&error.kind()) => {
                return Ok(self.not_found().standing_in());
            }
            Err(error) => return Err(unreadable(&path, error)),
        };
        if !found.is_file() {
            return Ok(self.not_found().standing_in());
        }
        let (name, length, mut headers) = (path.file_name().and_then(OsStr::to_str), found.len(), HeaderMap::new());
        let name = name.unwrap_or_default();
        let head = if media_type::is_named(name) { Ok(Vec::new()) } else { head(&path) };
        media_type::describe(&mut headers, name, &head.map_err(|error| unreadable(&path, error))?);
        let file = Representation::ranged_stream("", length, async move |part| pieces(path, length, part));
        let file = headers.into_iter().fold(file, |file, (name, value)| match name {
            Some(name) => file.with_header(name, value),
            None => file,
        });
        Ok(file.with_methods([Method::GET]))
    }
}

/// The pieces of a part of a file, which is opened for the first one.
fn pieces(path: PathBuf, length: u64, part: Range<u64>) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    try_unfold((None, part), move |(file, part)| {
        let path = path.clone();
        async move {
            let (file, part, piece) = spawn_blocking(move || {
                let read = match file {
                    Some(file) => read(file, part),
                    None => open(&path, length, part.start).and_then(|file| read(file, part)),
                };
                read.map_err(|error| unreadable(&path, error))
            })
            .await
            .map_err(|error| Error::caused(ErrorKind::File, "a file was not read", error))??;
            Ok((!piece.is_empty()).then_some((piece, (Some(file), part))))
        }
    })
}

/// The first bytes of a file, from which its type is told. A character of UTF-8 is not cut in two.
fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    if let Err(error) = std::str::from_utf8(&head)
        && error.error_len().is_none()
        && head.len() as u64 == HEAD
    {
        head.truncate(error.valid_up_to());
    }
    Ok(head)
}

fn open(path: &Path, length: u64, start: u64) -> io::Result<File> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != length {
        return Err(io::Error::other("it has another length than before"));
    }
    file.seek(SeekFrom::Start(start))?;
    Ok(file)
}

/// Reads the next piece; it is empty at the end.
fn read(mut file: File, part: Range<u64>) -> io::Result<(File, Range<u64>, Bytes)> {
    let most = usize::try_from(part.end - part.start).unwrap_or(PIECE).min(PIECE);
    let mut piece = vec![0; most];
    let length = match most {
        0 => 0,
        _ => file.read(&mut piece)?,
    };
    piece.truncate(length);
    Ok((file, part.start + length as u64..part.end, piece.into()))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::caused(ErrorKind::File, format!("`{}` can't be read", path.display()), error)
}

const PIECE: usize = 64 * 1024;
const HEAD: u64 = 8 * 1024;
