//! Conversions through the public API, one for each line that is read, measured by themselves.

use std::{collections::HashMap, fs, io, time::Duration, time::Instant};

use bytes::Bytes;
use chalice_http_toolkit::{
    BoxError, CloudFront, ContentManager, Embedded, Error, ErrorKind, Images, layers::ResponseBody,
};
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

/// On Lambda nothing is made in the background, and with so little memory steps are taken to be so slow that waiting for
/// them is what a busy machine has time for.
pub(crate) const ENVIRONMENT: [(&str, &str); 2] =
    [("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")];

/// A line has six fields with tabs between them: file, width (0: its own), extension of the format, quality, effort (`good`
/// or `fast`), and the file to write, which may be empty.
pub(crate) fn run() -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut times = HashMap::new();
    for line in io::stdin().lines() {
        println!("{}", runtime.block_on(answer(line?, &mut times))?);
    }
    Ok(())
}

/// `times` has what was found for lines before, so that this isn't measured by whom the next ones are.
async fn answer(line: String, times: &mut HashMap<String, Duration>) -> Result<Value, BoxError> {
    let fields: Vec<&str> = line.split('\t').collect();
    let &[file, width, format, quality, effort, output] = fields.as_slice() else {
        return Err(format!("not six fields: {line}").into());
    };
    let (width, quality) = (width.parse()?, quality.parse()?);
    let asked = Asked { width, format, quality };
    let time = match times.get(&line) {
        Some(time) => *time,
        None if effort == "fast" => match asked.time_for_less_effort(fs::read(file)?).await? {
            Some(time) => time,
            None => return Ok(json!({ "is": "the same with less effort" })),
        },
        None => PLENTY,
    };
    let (wall, cpu) = (Instant::now(), cpu_ms());
    let response = asked.send(Method::GET, fs::read(file)?, time).await;
    let (wall_ms, cpu_ms) = (wall.elapsed().as_secs_f64() * 1e3, cpu_ms() - cpu);
    let (is, body) = match response {
        Ok(response) => {
            let is_format = response.headers()[header::CONTENT_TYPE] == mime(format);
            let body = response.into_body().collect().await?.to_bytes();
            // An original of that format has lost its metadata at most: it ends as the file does.
            let end = &body[body.len().saturating_sub(64)..];
            if is_format && !fs::read(file)?.ends_with(end) { ("converted", body) } else { ("original", body) }
        }
        Err(error) if error.kind() == ErrorKind::Image => ("refused", Bytes::new()),
        Err(error) => return Err(error.into()),
    };
    if !output.is_empty() {
        fs::write(output, &body)?;
    }
    let peak_kb = peak_kb();
    times.insert(line.clone(), time);
    Ok(json!({ "is": is, "cpu_ms": cpu_ms, "wall_ms": wall_ms, "bytes": body.len(), "peak_kb": peak_kb }))
}

const PLENTY: Duration = Duration::from_secs(3600);

fn mime(extension: &str) -> String {
    format!("image/{}", if extension == "jpg" { "jpeg" } else { extension })
}

struct Asked<'a> {
    /// 0 for the picture's own.
    width: u32,
    format: &'a str,
    quality: u8,
}

impl Asked<'_> {
    /// A response with nothing kept from the one before.
    async fn send(&self, method: Method, image: Vec<u8>, time: Duration) -> Result<Response<ResponseBody>, Error> {
        let Self { width, format, quality } = *self;
        let images = Images::new()
            .with_widths([width])
            .with_qualities([quality])
            .with_time(time)
            .with_jobs(1)
            .with_memory(4 << 30)
            .with_cache(0)
            .with_disk_cache("", 0);
        let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?.with_images(images);
        let width = if width == 0 { String::new() } else { format!("&w={width}") };
        let request = Request::builder().method(method).uri(format!("/?fmt={format}&q={quality}{width}"));
        let request = request.body(()).expect("a request of plain parts");
        let image = content.image(request.uri(), image)?;
        CloudFront::new().respond(&request, image).await
    }

    /// The longest time in which the image is made with less effort; none where time changes nothing. Tags tell: they change
    /// where the plan does, and a HEAD makes nothing. Where less effort is the same, what comes next is the original.
    async fn time_for_less_effort(&self, image: Vec<u8>) -> Result<Option<Duration>, BoxError> {
        let mut time = PLENTY;
        let best = self.tag(&image, time).await?;
        for ratio in [0.5, 0.95] {
            while self.tag(&image, time.mul_f64(ratio)).await? == best {
                time = time.mul_f64(ratio);
                if time < Duration::from_micros(1) {
                    return Ok(None);
                }
            }
        }
        Ok(Some(time.mul_f64(0.95)))
    }

    async fn tag(&self, image: &[u8], time: Duration) -> Result<HeaderValue, BoxError> {
        let response = self.send(Method::HEAD, image.to_vec(), time).await?;
        response.headers().get(header::ETAG).cloned().ok_or_else(|| "a variant without a tag".into())
    }
}

/// Milliseconds on a core that all threads of this process have had, to the nanosecond; threads that ended are forgotten.
fn cpu_ms() -> f64 {
    // The kernel writes a thread's time down when the thread lets go of its core.
    std::thread::sleep(Duration::from_micros(100));
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let times = threads.filter_map(|thread| {
        let times = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<f64>().ok()
    });
    times.sum::<f64>() / 1e6
}

/// The most memory that this process has had.
fn peak_kb() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
