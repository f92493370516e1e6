//! Bodies that are too large for a message: compressed, and where that is not enough, in S3 with a pointer in the message,
//! in the format of Amazon's extended clients. It does not know what a body means.

use aws_sdk_s3::{Client, config::retry::RetryConfig, operation::get_object::GetObjectError, primitives::ByteStream};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::sync::OnceCell;

use super::{
    TaskingController, aws,
    message::{Attribute, Attributes, LARGEST, Message},
    offload::{BodyLocation, BodyPlace, ENCODING, Offload, SIZES},
};
use crate::{
    error::{BoxError, Error, ErrorKind, Result},
    fields::digest::hex,
};

const ZSTD: &str = "zstd";
const POINTER: &str = "software.amazon.payloadoffloading.PayloadS3Pointer";
const LEVEL: i32 = 3;

impl TaskingController {
    /// Lets bodies be larger than a message, which takes 1,048,576 bytes with its attributes: compressed with zstd where
    /// they fit then, otherwise in this bucket, with a pointer in the format of Amazon's extended client for Java. Workers
    /// of the queue need the same setting. Bodies that fit are sent as they are. Default: they are refused.
    ///
    /// A bucket of its own is best; else give a prefix of its keys after a `/`. The prefix is a folder, with or without a
    /// `/` at its end. A pointer to anything else is not followed, whoever has written it, and its message fails. So
    /// change them only while the queue is empty.
    ///
    /// Objects are never deleted, since a message may come again: give the bucket a lifecycle rule that keeps them longer
    /// than the queue and its dead-letter queue keep messages. Needs `s3:PutObject` to post and `s3:GetObject` to work.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::TaskingController;
    ///
    /// let tasks = TaskingController::new("mail.fifo")?.with_s3_offload("my-task-bodies");
    /// let tasks = TaskingController::new("mail.fifo")?.with_s3_offload("my-bucket/tasks/mail/");
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_s3_offload(self, bucket: impl Into<String>) -> Self {
        let offload = S3Offload::new(bucket.into());
        self.change_settings(|settings| settings.offload = Some(Arc::new(offload)))
    }

    /// From which size on a message is compressed or goes to S3, in bytes of its body and its attributes: at most what a
    /// message takes. SQS counts each 64 KiB as a request, which S3 may undercut. Default: 1,048,576.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::TaskingController;
    ///
    /// let tasks = TaskingController::new("mail.fifo")?.with_s3_offload("my-task-bodies").with_offload_above(64 * 1024);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_offload_above(self, bytes: usize) -> Self {
        self.change_settings(|settings| settings.offload_above = bytes.min(LARGEST))
    }

    /// How much memory those bodies of a batch may take at a time that were compressed or in S3, in bytes: others wait until a
    /// handler is done with its own. A body that is larger is refused when it is posted, and fails where another program
    /// has posted it. A typed task has its own copy while it is read, so leave the function twice as much. Default: 64 MiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ErrorKind, tasking::TaskingController};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let tasks = TaskingController::new("mail.fifo")?.with_s3_offload("my-task-bodies").with_offload_limit(8 * 1024 * 1024);
    /// let error = tasks.post_raw("x".repeat(8 * 1024 * 1024 + 1), [("a", "b")]).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Task);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_offload_limit(self, bytes: usize) -> Self {
        self.change_settings(|settings| settings.offload_limit = bytes)
    }
}

#[derive(Debug)]
struct S3Offload {
    bucket: String,
    /// What all keys begin with.
    prefix: String,
    client: OnceCell<Client>,
}

/// The second half of a pointer; the first is its class in the client for Java.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pointer {
    s3_bucket_name: String,
    s3_key: String,
}

impl S3Offload {
    /// A bucket, or a bucket and a prefix: no bucket has a `/` in its name.
    fn new(place: String) -> Self {
        let (bucket, prefix) = place.split_once('/').unwrap_or((&place, ""));
        // Else `tasks` would let pointers lead to `tasks-of-others/`.
        let end = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
        Self { bucket: bucket.to_owned(), prefix: format!("{prefix}{end}"), client: OnceCell::new() }
    }

    async fn client(&self) -> &Client {
        let make = || async {
            let configuration = aws_sdk_s3::config::Builder::from(aws::configuration().await);
            // An emulator has no host name for each bucket.
            let path_style = std::env::var_os("AWS_ENDPOINT_URL_S3").or(std::env::var_os("AWS_ENDPOINT_URL")).is_some();
            let configuration = configuration.retry_config(RetryConfig::standard()).force_path_style(path_style);
            Client::from_conf(configuration.build())
        };
        self.client.get_or_init(make).await
    }

    async fn put(&self, key: &str, body: String) -> Result<()> {
        let put = self.client().await.put_object().bucket(&self.bucket).key(key);
        let put = put.body(ByteStream::from(body.into_bytes())).send().await;
        let failed = |error| Error::caused(ErrorKind::Queue, "the body of a task could not be put into S3", error);
        put.map(drop).map_err(|error| failed(BoxError::from(error)))
    }

    /// The key that a pointer leads to.
    ///
    /// SECURITY: whoever writes into the queue must not read what else the worker's role may.
    fn key(&self, pointer: Pointer) -> Result<String> {
        let is_ours = pointer.s3_bucket_name == self.bucket && pointer.s3_key.starts_with(&self.prefix);
        // S3 takes them as they are; something between may not.
        let is_plain = !pointer.s3_key.split('/').any(|part| matches!(part, "." | ".."));
        if is_ours && is_plain {
            return Ok(pointer.s3_key);
        }
        Err(unreadable("its pointer leads out of the bucket and the prefix of `with_s3_offload`"))
    }

    async fn get(&self, key: String, most: usize) -> Result<String> {
        let get = self.client().await.get_object().bucket(&self.bucket).key(key).send().await;
        let mut stream = get.map_err(|error| match error.as_service_error() {
            Some(GetObjectError::NoSuchKey(_)) => Error::permanent("the body of a task is no longer in S3"),
            Some(_) if error.raw_response().is_some_and(|response| response.status().is_client_error()) => {
                Error::caused(ErrorKind::Handler, "the body of a task was refused by S3 (`s3:GetObject`)", error)
            }
            _ => unfetched(error),
        })?;
        let mut body = Vec::with_capacity(most);
        while let Some(bytes) = stream.body.next().await {
            body.extend_from_slice(&bytes.map_err(unfetched)?);
            if body.len() > most {
                return Err(unreadable("it is larger than its message says"));
            }
        }
        String::from_utf8(body).map_err(|_| unreadable("it is not UTF-8"))
    }
}

impl Offload for S3Offload {
    fn shrink(&self, message: Message, most: usize) -> BoxFuture<'_, Result<Message>> {
        Box::pin(async move {
            if message.size() <= most {
                return Ok(message);
            }
            let compressed = compressed(&message)?;
            if compressed.size() <= most {
                return Ok(compressed);
            }
            // Made from the body too: an id may come again, with another body, while the first is still waiting.
            let digest = Sha256::new().chain_update(&message.deduplication).chain_update(&message.body).finalize();
            let key = self.prefix.clone() + &hex(&digest);
            let size = message.body.len();
            let body = json!([POINTER, { "s3BucketName": self.bucket, "s3Key": key }]).to_string();
            let mut pointer = Message { body, ..message.clone() };
            pointer.attributes.insert(SIZES[0].to_owned(), Attribute::Number(size.to_string()));
            // Before the object is there, so that nothing is put that no message can point to.
            let pointer = pointer.checked()?;
            self.put(&key, message.body).await?;
            Ok(pointer)
        })
    }

    fn locate(&self, body: &str, attributes: &Attributes) -> Result<BodyLocation> {
        if let Some(size) = SIZES.iter().find_map(|name| attributes.get(*name)) {
            let (_, pointer): (String, Pointer) =
                serde_json::from_str(body).map_err(|_| unreadable("it is no pointer to S3"))?;
            let bytes = size.as_str().and_then(|bytes| bytes.parse().ok());
            let bytes = bytes.ok_or_else(|| unreadable("its message does not say how large it is"))?;
            return Ok(BodyLocation { place: BodyPlace::Stored(self.key(pointer)?), bytes });
        }
        match attributes.get(ENCODING).and_then(Attribute::as_str) {
            Some(ZSTD) => {
                let bytes = STANDARD.decode(body).map_err(|_| unreadable("it is not base64"))?;
                let size = zstd::zstd_safe::get_frame_content_size(&bytes).ok().flatten();
                let size = size.and_then(|size| size.try_into().ok());
                let size = size.ok_or_else(|| unreadable("it is no zstd that says how large it is"))?;
                Ok(BodyLocation { place: BodyPlace::Compressed(bytes), bytes: size })
            }
            _ => Err(unreadable("its encoding is not known")),
        }
    }

    fn fetch(&self, location: BodyLocation) -> BoxFuture<'_, Result<String>> {
        Box::pin(async move {
            match location.place {
                BodyPlace::Stored(key) => self.get(key, location.bytes).await,
                BodyPlace::Compressed(bytes) => decompressed(&bytes, location.bytes),
            }
        })
    }
}

fn compressed(message: &Message) -> Result<Message> {
    let failed = |error| Error::caused(ErrorKind::Task, "the body of a task can't be compressed", error);
    let bytes = zstd::bulk::compress(message.body.as_bytes(), LEVEL).map_err(failed)?;
    let mut compressed = Message { body: STANDARD.encode(bytes), ..message.clone() };
    compressed.attributes.insert(ENCODING.to_owned(), ZSTD.into());
    Ok(compressed)
}

/// In one step into a buffer of that size: no frame can ask for a window of its own.
fn decompressed(bytes: &[u8], most: usize) -> Result<String> {
    let text = zstd::bulk::decompress(bytes, most).map_err(|_| unreadable("it is not the zstd that it says"))?;
    String::from_utf8(text).map_err(|_| unreadable("it is not UTF-8"))
}

/// What may go better another time.
fn unfetched(error: impl Into<BoxError>) -> Error {
    Error::caused(ErrorKind::Queue, "the body of a task could not be fetched from S3", error)
}

fn unreadable(why: &'static str) -> Error {
    Error::caused(ErrorKind::Task, "the body of a task can't be read", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: String) -> Message {
        let attributes = Attributes::from([("chalice-task".to_owned(), "report".into())]);
        Message { body, attributes, group: "g".into(), deduplication: "d".into(), trace: None }
    }

    fn offload() -> S3Offload {
        S3Offload::new("bodies/tasks/".into())
    }

    async fn expand(message: &Message) -> Result<String> {
        offload().fetch(offload().locate(&message.body, &message.attributes)?).await
    }

    #[tokio::test]
    async fn what_fits_stays_and_what_compresses_is_compressed() {
        let small = offload().shrink(message("x".into()), LARGEST).await.unwrap();
        assert_eq!((small.body.as_str(), small.attributes.len()), ("x", 1));
        let large = "x".repeat(3 * LARGEST);
        let compressed = offload().shrink(message(large.clone()), LARGEST).await.unwrap().checked().unwrap();
        assert!(compressed.size() < 1000);
        assert!(expand(&compressed).await.unwrap() == large);
        let compressed = offload().shrink(message("x".repeat(2000)), 1000).await.unwrap();
        assert!(compressed.size() < 1000);
    }

    /// What a frame says of its size is all that it can take, and it says it before it is read.
    #[tokio::test]
    async fn a_small_message_does_not_become_all_of_the_memory() {
        let bomb = compressed(&message("\u{0}".repeat(65 * 1024 * 1024))).unwrap();
        assert!(bomb.size() < LARGEST);
        assert_eq!(offload().locate(&bomb.body, &bomb.attributes).unwrap().bytes, 65 * 1024 * 1024);
        let with = |bytes: &[u8]| Message { body: STANDARD.encode(bytes), ..bomb.clone() };
        let frame = zstd::bulk::compress(b"hello", LEVEL).unwrap();
        let more = zstd::bulk::compress(&[b'x'; 100_000], LEVEL).unwrap();
        let silent = zstd::stream::encode_all(&[b'x'; 100_000][..], LEVEL).unwrap();
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, b'x'][..], &more].concat();
        assert_eq!(expand(&with(&frame)).await.unwrap(), "hello");
        for odd in [&[&frame[..], &more].concat(), &silent, &skipped, &frame[..frame.len() - 1].to_vec()] {
            assert_eq!(expand(&with(odd)).await.unwrap_err().kind(), ErrorKind::Task);
        }
    }

    #[tokio::test]
    async fn what_is_no_body_of_ours_fails_for_good() {
        let pointer = r#"["c",{"s3BucketName":"bodies","s3Key":"tasks/k"}]"#;
        let cases = [
            ("chalice-encoding", "zstd", "not base64"),
            ("chalice-encoding", "br", "x"),
            (SIZES[0], "7", "{}"),
            (SIZES[0], "-7", pointer),
            (SIZES[1], "seven", pointer),
        ];
        for (name, value, body) in cases {
            let attributes = Attributes::from([(name.to_owned(), value.into())]);
            assert_eq!(offload().locate(body, &attributes).unwrap_err().kind(), ErrorKind::Task);
        }
    }

    #[test]
    fn a_pointer_is_followed_to_its_own_bucket_and_prefix_only() {
        let attributes = Attributes::from([(SIZES[0].to_owned(), "7".into())]);
        let locate = |offload: S3Offload, bucket: &str, key: &str| {
            let body = json!([POINTER, { "s3BucketName": bucket, "s3Key": key }]).to_string();
            offload.locate(&body, &attributes).is_ok()
        };
        for (bucket, key, followed) in [
            ("bodies", "tasks/k", true),
            ("bodies", "tasks/2026/k", true),
            ("bodies", "other/k", false),
            ("bodies", "tasks", false),
            ("bodies", "tasks-of-others/k", false),
            ("bodies", "tasks/../other/k", false),
            ("bodies", "tasks/./k", false),
            ("Bodies", "tasks/k", false),
            ("bodies2", "tasks/k", false),
            ("", "tasks/k", false),
        ] {
            for place in ["bodies/tasks/", "bodies/tasks"] {
                assert_eq!(locate(S3Offload::new(place.into()), bucket, key), followed, "{place} {bucket} {key}");
            }
        }
        assert!(locate(S3Offload::new("bodies".into()), "bodies", "k"));
        assert!(!locate(S3Offload::new("bodies".into()), "other", "k"));
    }
}
