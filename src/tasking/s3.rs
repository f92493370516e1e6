//! Bodies that are too large for a message: compressed, and where that is not enough, in S3 with a pointer in the message,
//! in the format of Amazon's extended clients. It does not know what a body means.

use std::io::Read;

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
    offload::{ENCODING, Offload, SIZES},
};
use crate::{
    entity_tag::hex,
    error::{BoxError, Error, ErrorKind, Result},
};

const ZSTD: &str = "zstd";
const POINTER: &str = "software.amazon.payloadoffloading.PayloadS3Pointer";
/// A message of a megabyte must not become all of the memory.
const LARGEST_BODY: u64 = 64 * 1024 * 1024;
const LEVEL: i32 = 3;

impl TaskingController {
    /// Lets bodies be larger than a message, which takes 1,048,576 bytes with its attributes: compressed with zstd where
    /// they fit then, otherwise in this bucket, with a pointer in the format of Amazon's extended client for Java. Workers
    /// of the queue need the same setting. Bodies that fit are sent as they are. Default: they are refused.
    ///
    /// Objects are never deleted, since a message may come again: give the bucket a lifecycle rule that keeps them longer
    /// than the queue and its dead-letter queue keep messages. Needs `s3:PutObject` to post and `s3:GetObject` to work.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::TaskingController;
    ///
    /// let tasks = TaskingController::new("mail.fifo")?.with_s3_offload("my-task-bodies");
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_s3_offload(self, bucket: impl Into<String>) -> Self {
        let offload = S3Offload { bucket: bucket.into(), client: OnceCell::new() };
        self.change_settings(|settings| settings.offload = Some(Arc::new(offload)))
    }

    /// From which size on a message is compressed or goes to S3, in bytes of its body and its attributes: at most what a
    /// message takes. SQS counts each 64 KiB as a request, which S3 may undercut. Default: 1,048,576.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::TaskingController;
    ///
    /// let tasks = TaskingController::new("mail.fifo")?.with_s3_offload("my-task-bodies").with_offload_above(64 * 1024);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_offload_above(self, bytes: usize) -> Self {
        self.change_settings(|settings| settings.offload_above = bytes.min(LARGEST))
    }
}

#[derive(Debug)]
struct S3Offload {
    bucket: String,
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

    async fn get(&self, pointer: Pointer) -> Result<String> {
        let get = self.client().await.get_object().bucket(pointer.s3_bucket_name).key(pointer.s3_key).send().await;
        let get = get.map_err(|error| match error.as_service_error() {
            Some(GetObjectError::NoSuchKey(_)) => Error::permanent("the body of a task is no longer in S3"),
            _ => Error::handler(error),
        })?;
        if get.content_length().is_some_and(|length| u64::try_from(length).is_ok_and(|length| length > LARGEST_BODY)) {
            return Err(unreadable("it is too large"));
        }
        let body = get.body.collect().await.map_err(Error::handler)?;
        String::from_utf8(body.to_vec()).map_err(|_| unreadable("it is not UTF-8"))
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
            let key = hex(&Sha256::new().chain_update(&message.deduplication).chain_update(&message.body).finalize());
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

    fn expand<'a>(&'a self, body: &'a str, attributes: &'a Attributes) -> BoxFuture<'a, Result<String>> {
        Box::pin(async move {
            if SIZES.iter().any(|name| attributes.contains_key(*name)) {
                let (_, pointer): (String, Pointer) =
                    serde_json::from_str(body).map_err(|_| unreadable("it is no pointer to S3"))?;
                return self.get(pointer).await;
            }
            match attributes.get(ENCODING).and_then(Attribute::as_str) {
                Some(ZSTD) => decompressed(body),
                Some(_) => Err(unreadable("its encoding is not known")),
                None => Ok(body.to_owned()),
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

fn decompressed(body: &str) -> Result<String> {
    let bytes = STANDARD.decode(body).map_err(|_| unreadable("it is not base64"))?;
    let broken = |_| unreadable("it is not valid zstd");
    let decoder = zstd::Decoder::new(bytes.as_slice()).map_err(broken)?;
    let mut text = Vec::new();
    decoder.take(LARGEST_BODY + 1).read_to_end(&mut text).map_err(broken)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > LARGEST_BODY) {
        return Err(unreadable("it is too large"));
    }
    String::from_utf8(text).map_err(|_| unreadable("it is not UTF-8"))
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
        S3Offload { bucket: "bodies".into(), client: OnceCell::new() }
    }

    #[tokio::test]
    async fn what_fits_stays_and_what_compresses_is_compressed() {
        let small = offload().shrink(message("x".into()), LARGEST).await.unwrap();
        assert_eq!((small.body.as_str(), small.attributes.len()), ("x", 1));
        let large = "x".repeat(3 * LARGEST);
        let compressed = offload().shrink(message(large.clone()), LARGEST).await.unwrap().checked().unwrap();
        assert!(compressed.size() < 1000);
        assert!(offload().expand(&compressed.body, &compressed.attributes).await.unwrap() == large);
        let compressed = offload().shrink(message("x".repeat(2000)), 1000).await.unwrap();
        assert!(compressed.size() < 1000);
    }

    #[tokio::test]
    async fn a_small_message_does_not_become_all_of_the_memory() {
        let bomb = compressed(&message("\u{0}".repeat(65 * 1024 * 1024))).unwrap();
        assert!(bomb.size() < LARGEST);
        let error = offload().expand(&bomb.body, &bomb.attributes).await.unwrap_err();
        assert!(error.chain().contains("too large"), "{error:?}");
    }

    #[tokio::test]
    async fn what_is_no_body_of_ours_fails_for_good() {
        let cases =
            [("chalice-encoding", "zstd", "not base64"), ("chalice-encoding", "br", "x"), (SIZES[0], "7", "{}")];
        for (name, value, body) in cases {
            let attributes = Attributes::from([(name.to_owned(), value.into())]);
            assert_eq!(offload().expand(body, &attributes).await.unwrap_err().kind(), ErrorKind::Task);
        }
    }
}
