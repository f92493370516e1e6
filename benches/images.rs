//! What images cost: the CPU time and the bytes of conversions, the peak of memory, bombs, and requests that convert nothing.
//!
//! `cargo bench --bench images --features images,avif` prints them, each conversion and each bomb measured in a process of its
//! own, requests as ratios to a no-op function of `lambda_http`. As `images worker` it converts what it reads: that is how
//! `images_compare.py` holds it against sharp and Pillow.
#![allow(clippy::print_stdout)] // A bench is there to print.

#[path = "../tests/it/bombs.rs"]
mod bombs;
mod turns;
#[path = "images/worker.rs"]
mod worker;

use std::{
    fs,
    hint::black_box,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chalice_http_toolkit::{App, BoxError, CloudFront, ContentManager, Images};
use lambda_http::Request;
use mozjpeg_rs::{Encoder, Preset};
use serde_json::Value;
use tower::{Layer, service_fn};

use self::turns::{Case, event, in_turns, noop};

/// Each conversion is made so many times, and the least time counts: what else the machine does only ever adds.
const RUNS: usize = 5;

fn main() -> Result<(), BoxError> {
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return worker::run();
    }
    let folder = tempfile::tempdir()?;
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name);
    let large = folder.path().join("24-megapixels.jpg");
    fs::write(&large, photograph(6000, 4000)?)?;

    conversions(&[large, fixture("photo.jpg"), fixture("logo.png"), fixture("screenshot.png")])?;
    explosions(folder.path())?;
    requests(&fs::read(fixture("photo.jpg"))?)
}

fn conversions(sources: &[PathBuf]) -> Result<(), BoxError> {
    println!(
        "{:<20} {:>6} {:>5} {:>6} {:>10} {:>10} {:>10}",
        "source", "width", "", "effort", "CPU ms", "bytes", "peak MB"
    );
    for source in sources {
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        let drawn = name.ends_with("png");
        let jobs =
            [(640, "webp"), (1280, "webp"), (0, "webp"), (640, "jpg"), (1280, "jpg"), (640, "avif"), (1280, "avif")];
        for (width, format) in jobs {
            let is_asked = if drawn { width == 0 && format == "webp" } else { width > 0 || name == "photo.jpg" };
            if !is_asked || format == "avif" && !cfg!(feature = "avif") {
                continue;
            }
            for effort in ["good", "fast"] {
                let line = format!("{}\t{width}\t{format}\t80\t{effort}\t\n", source.display());
                let done = convert(&line.repeat(RUNS))?;
                let Some(last) = done.last() else { return Err("a worker said nothing".into()) };
                if last["is"] != "converted" {
                    continue;
                }
                let least = done.iter().filter_map(|run| run["cpu_ms"].as_f64()).fold(f64::INFINITY, f64::min);
                let (bytes, peak) = (&last["bytes"], last["peak_kb"].as_f64().unwrap_or_default() / 1024.0);
                println!("{name:<20} {width:>6} {format:>5} {effort:>6} {least:>10.1} {bytes:>10} {peak:>10.1}");
            }
        }
    }
    Ok(())
}

/// What workers say of each line, in a process of their own.
fn convert(lines: &str) -> Result<Vec<Value>, BoxError> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("worker").envs(worker::ENVIRONMENT);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no standard input")?.write_all(lines.as_bytes())?;
    let output = child.wait_with_output()?;
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| Ok(serde_json::from_slice(line)?))
        .collect()
}

fn explosions(folder: &Path) -> Result<(), BoxError> {
    println!("\n{:<20} {:>8} {:>10} {:>10} {:>10} {:>10}", "bomb", "KB", "", "ms", "CPU ms", "peak MB");
    for (name, make) in bombs::ALL {
        let path = folder.join(name);
        fs::write(&path, make())?;
        let line = format!("{}\t640\twebp\t80\tgood\t\n", path.display());
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(convert(&line)?.pop().ok_or_else(|| format!("{name} ended the process"))?);
        }
        let least = |field: &str| runs.iter().filter_map(|run| run[field].as_f64()).fold(f64::INFINITY, f64::min);
        let (is, kb) = (runs[0]["is"].as_str().unwrap_or_default(), fs::metadata(&path)?.len() / 1024);
        let (wall, cpu, peak) = (least("wall_ms"), least("cpu_ms"), least("peak_kb") / 1024.0);
        println!("{name:<20} {kb:>8} {is:>10} {wall:>10.2} {cpu:>10.2} {peak:>10.1}");
    }
    Ok(())
}

fn requests(photo: &[u8]) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("templates"))?;
    fs::create_dir(folder.path().join("static"))?;
    fs::write(folder.path().join("static/photo.jpg"), photo)?;
    fs::write(folder.path().join("static/site.css"), "body { color: #333 }\n")?;
    let content = ContentManager::new(folder.path().join("templates"), folder.path().join("static"))?
        .with_reload(false)
        .with_images(Images::new().with_time(Duration::from_secs(60)));
    let app = App::new(CloudFront::new().layer(service_fn(move |request: Request| {
        let file = content.static_file_at(request.uri());
        async { Ok::<_, BoxError>(http::Response::<String>::from(file)) }
    })));
    let invoke = |event: &str| {
        let reply = runtime.block_on(app.invoke(event, None)).expect("a reply");
        serde_json::to_vec(&reply).expect("JSON")
    };
    let target = "/static/photo.jpg?w=640";
    let variant = event(target, &[("accept", "image/webp,*/*")]);
    let reply: Value = serde_json::from_slice(&invoke(&variant))?;
    let body = STANDARD.decode(reply["body"].as_str().ok_or("no body")?)?;
    let tag = reply["headers"]["etag"].as_str().ok_or("no tag")?;
    let again = event(target, &[("accept", "image/webp,*/*"), ("if-none-match", tag)]);
    let css = event("/static/site.css", &[]);

    let mut cases: Vec<Case<'_>> = vec![
        ("no-op lambda_http", Box::new(|| _ = black_box(noop(&runtime, &variant, "text/plain", "hello")))),
        ("no-op, the same bytes", Box::new(|| _ = black_box(noop(&runtime, &variant, "image/webp", &body[..])))),
        ("variant 304", Box::new(|| _ = black_box(invoke(&again)))),
        ("variant 200, made before", Box::new(|| _ = black_box(invoke(&variant)))),
        ("small static file 200", Box::new(|| _ = black_box(invoke(&css)))),
    ];
    let minimum = std::env::var("BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2.0);
    let medians = in_turns(&mut cases, Duration::from_secs_f64(minimum));
    println!("\na variant of {} bytes, ratios to a no-op lambda_http function (median of turns)", body.len());
    for ((name, _), median) in cases.iter().zip(&medians) {
        println!("{name:<24} {:>9.2} µs   {:>7.2} × no-op", median * 1e6, median / medians[0]);
    }
    Ok(())
}

/// What makes photographs dear: bent edges between areas of their own colour, and detail in all sizes.
fn photograph(width: u32, height: u32) -> Result<Vec<u8>, BoxError> {
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let bend = (noise(x, y, 512) * 900.0) as u32;
        let area = hash((x + bend) / 640, (y + 3 * bend) / 480, 1);
        let detail: f64 = (1..10).map(|octave| 0.6_f64.powi(10 - octave) * (noise(x, y, 1 << octave) - 0.5)).sum();
        let colours = [0, 8, 16].map(|shift| f64::from(area >> shift & 127) + 64.0 + 160.0 * detail);
        pixels.extend(colours.map(|colour| colour.clamp(0.0, 255.0) as u8));
    }
    Ok(Encoder::new(Preset::BaselineFastest).quality(88).encode_rgb(&pixels, width, height)?)
}

/// Between 0 and 1, smooth between the corners of squares of this size.
fn noise(x: u32, y: u32, size: u32) -> f64 {
    let (column, row) = (x / size, y / size);
    let [right, down] = [x, y].map(|place| f64::from(place % size) / f64::from(size));
    let corner = |x, y| f64::from(hash(column + x, row + y, size) & 0xffff) / 65_535.0;
    let line = |y| corner(0, y) * (1.0 - right) + corner(1, y) * right;
    line(0) * (1.0 - down) + line(1) * down
}

fn hash(x: u32, y: u32, seed: u32) -> u32 {
    let mixed = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x2c1b_3c6d);
    mixed ^ mixed >> 13
}
