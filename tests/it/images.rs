//! Images as a client gets them: the format, the size and the bytes, their tags, what they cost and what is refused.

use std::{fs, future::Future, time::Duration};

use bytes::Bytes;
use chalice_http_toolkit::{
    App, BoxError, CacheControl, CloudFront, ContentManager, Embedded, ErrorKind, ImageFormat, ImageLimits, Images,
    Representation, Verify,
};
use http::{StatusCode, header};

use crate::{
    bombs,
    support::{Answer, Folders, Log, app, app_with, ask, conversions, files_app, folders, get},
};

/// On a runtime as `tokio::main` makes it, in a span by which its conversions are counted.
fn run<T>(test: impl Future<Output = T>) -> T {
    let _log = Log::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tracing::info_span!("test").in_scope(|| runtime.block_on(test))
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/images/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names of all fixtures that are images of the site's own, broken ones among them.
fn fixtures() -> Vec<String> {
    let root = format!("{}/tests/fixtures/images", env!("CARGO_MANIFEST_DIR"));
    let mut names = Vec::new();
    for folder in ["", "broken/"] {
        for entry in fs::read_dir(format!("{root}/{folder}")).expect("the fixtures") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("UTF-8");
            if entry.path().is_file() && !name.ends_with(".py") && !name.ends_with(".md") {
                names.push(format!("{folder}{name}"));
            }
        }
    }
    names.sort();
    names
}

/// A site of these fixtures below `/static/`.
fn site(names: &[&str]) -> (Folders, ContentManager) {
    let folders = folders(&[]);
    for name in names {
        folders.write(&format!("static/{name}"), &fixture(name));
    }
    let content = folders.content().with_images(patient());
    (folders, content)
}

/// Waits for as long as a busy machine takes.
fn patient() -> Images {
    Images::new().with_time(Duration::from_secs(60))
}

const AVIF: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
const WEBP: &str = "image/webp,*/*;q=0.8";
const OLD: &str = "image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5";

async fn fetch(app: &App, url: &str, accept: &str) -> Answer {
    get(app, url).header("accept", accept).send().await
}

/// What a client of today gets where AVIF is built, and where it isn't.
fn best() -> &'static str {
    if cfg!(feature = "avif") { "image/avif" } else { "image/webp" }
}

#[test]
fn each_client_gets_what_it_takes() {
    let (_folders, content) =
        site(&["photo.jpg", "logo.png", "lossy.webp", "rgba.png", "animated.gif", "plain.svg", "animated.webp"]);
    let app = files_app(&content);
    run(async {
        for (url, accept, expected) in [
            ("/static/photo.jpg?w=640", AVIF, best()),
            ("/static/photo.jpg?w=640", WEBP, "image/webp"),
            ("/static/photo.jpg?w=640", OLD, "image/jpeg"),
            ("/static/photo.jpg?w=640", "*/*", "image/jpeg"),
            ("/static/photo.jpg?w=640", "image/png", "image/png"),
            ("/static/photo.jpg?w=640&fmt=webp", OLD, "image/webp"),
            ("/static/photo.jpg?w=640&fmt=png", AVIF, "image/png"),
            ("/static/photo.jpg", WEBP, "image/webp"),
            ("/static/photo.jpg", OLD, "image/jpeg"),
            ("/static/photo.jpg/w640.webp", OLD, "image/webp"),
            ("/static/photo.jpg/w640", WEBP, "image/webp"),
            ("/static/logo.png", WEBP, "image/webp"),
            ("/static/logo.png", OLD, "image/png"),
            ("/static/rgba.png?w=64", OLD, "image/png"),
            ("/static/rgba.png?w=64&fmt=jpg", OLD, "image/jpeg"),
            ("/static/lossy.webp", "*/*", "image/jpeg"),
            ("/static/lossy.webp", WEBP, "image/webp"),
            // what isn't converted is the same for everyone
            ("/static/animated.gif", AVIF, "image/gif"),
            ("/static/animated.gif?w=64", AVIF, "image/gif"),
            ("/static/animated.webp", OLD, "image/webp"),
            ("/static/plain.svg", AVIF, "image/svg+xml"),
            ("/static/plain.svg?v=2", AVIF, "image/svg+xml"),
        ] {
            let answer = fetch(&app, url, accept).await;
            assert_eq!(answer.status, StatusCode::OK, "{url} {accept}");
            assert_eq!(answer.line("content-type"), expected, "{url} {accept}");
            assert_eq!(answer.line("x-content-type-options"), "nosniff");
            assert_eq!(infer::get(&answer.body).map_or("image/svg+xml", |kind| kind.mime_type()), expected, "{url}");
        }
    });
}

/// WebP and AVIF go to clients that name them, and to everyone else what the image is: a JPEG never stands for a PNG.
#[test]
fn who_names_no_format_of_our_time_gets_the_images_own() {
    let (_folders, content) = site(&["photo.jpg", "rgb.png", "rgba.png", "logo.png", "grey.png", "lossy.webp"]);
    let app = files_app(&content);
    let fields = ["", "*/*", "image/*", OLD, "image/jpeg", "text/html", "image/jpeg,image/png;q=0.5", "image/webp;q=0"];
    run(async {
        for (name, own) in [
            ("photo.jpg", "image/jpeg"),
            ("rgb.png", "image/png"),
            ("rgba.png", "image/png"),
            ("logo.png", "image/png"),
            ("grey.png", "image/png"),
            ("lossy.webp", "image/jpeg"),
        ] {
            for query in ["", "?w=32", "?w=32&q=50"] {
                let url = format!("/static/{name}{query}");
                for accept in fields {
                    let answer = fetch(&app, &url, accept).await;
                    assert_eq!((answer.status.as_u16(), answer.line("content-type")), (200, own), "{url} {accept}");
                    assert_eq!(answer.line("vary"), "accept");
                }
                let silent = get(&app, &url).send().await;
                assert_eq!(silent.line("content-type"), own, "{url} without Accept");
                if query.is_empty() && own == "image/png" {
                    assert_eq!(silent.body, fixture(name), "nothing is lost");
                }
                for (accept, best) in [(WEBP, "image/webp"), (AVIF, best())] {
                    // Where WebP would be larger than such a small PNG, that is sent.
                    let answer = fetch(&app, &url, accept).await;
                    let media_type = answer.line("content-type");
                    let expected = [best, "image/webp", if own == "image/png" { own } else { best }];
                    assert!(expected.contains(&media_type), "{url} {accept}: {media_type}");
                }
            }
        }
    });
}

#[test]
fn without_time_for_webp_a_png_stays_one() {
    let (folders, _) = site(&["rgb.png", "logo.png"]);
    for time in [0, 1, 5, 20] {
        let images = Images::new().with_time(Duration::from_millis(time));
        let app = files_app(&folders.content().with_images(images));
        run(async {
            for url in ["/static/rgb.png?w=32", "/static/logo.png?w=128", "/static/rgb.png"] {
                for accept in [AVIF, WEBP, OLD] {
                    let answer = fetch(&app, url, accept).await;
                    assert_ne!(answer.line("content-type"), "image/jpeg", "{url} {accept} {time}");
                }
            }
        });
    }
}

/// The page, the server, the build step and `check` go by a file's bytes.
#[test]
fn an_image_is_what_its_bytes_say_whatever_it_is_called() {
    let names = ["jpeg-named.gif", "jpeg-named.pjpeg", "jpeg-without-extension", "png-named.avif", "webp-named.ico"];
    let others = ["broken/gif-named.webp", "broken/svg-named.png", "broken/text-named.jpg", "animated.webp"];
    let (folders, content) = site(&[&names[..], &others].concat());
    let page = |name: &str, images: Images| {
        folders.write("templates/a.html", format!("{{{{ picture('{name}', widths=[32, 64], alt='') }}}}").as_bytes());
        let content = folders.content().with_images(images);
        run(get(&app(move |_| content.render_template("a.html", ()).unwrap()), "/").send()).text().to_owned()
    };
    let files = files_app(&content);
    for name in names {
        let shown = page(name, patient());
        assert!(shown.contains("?w=32 32w") && shown.contains("width=\"96\" height=\"64\""), "{shown}");
        let shown = page(name, patient().with_path_urls());
        assert!(shown.contains("/w32.webp 32w"), "{shown}");
        run(async {
            for url in ["?w=32", "/w32.webp"] {
                let answer = fetch(&files, &format!("/static/{name}{url}"), "image/webp").await;
                assert_eq!((answer.status.as_u16(), answer.line("content-type")), (200, "image/webp"), "{name}{url}");
                assert_eq!(answer.header("vary"), if url.starts_with('?') { "accept" } else { "" });
            }
            assert_eq!(fetch(&files, &format!("/static/{name}?w=33"), WEBP).await.status, 400);
        });
    }
    for name in others {
        let shown = page(name, patient());
        assert!(!shown.contains("srcset"), "{shown}");
        let shown = page(name, patient().with_path_urls());
        assert!(!shown.contains("srcset") && !shown.contains("/full"), "{shown}");
    }
    let is_static = |finding: &&chalice_http_toolkit::Finding| finding.is_static_file();
    let found: Vec<String> = content.check().iter().filter(is_static).map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "broken/gif-named.webp: its name says image/webp, and its content is GIF, which is not converted: rename it",
            "broken/svg-named.png: its name says image/png, and its content is SVG, which is not converted: rename it",
            "broken/text-named.jpg: its name says image/jpeg, and its content is text",
            "jpeg-named.gif: its name says image/gif, and its content is JPEG, as which it is converted: rename it",
            "png-named.avif: its name says image/avif, and its content is PNG, as which it is converted: rename it",
            "webp-named.ico: its name says image/vnd.microsoft.icon, and its content is WebP, as which it is converted: rename it",
        ]
    );
    let done = patient().with_widths([32]).prebuild(folders.path().join("static")).unwrap();
    assert_eq!(done.images, names.len());
}

#[test]
fn a_page_says_the_size_that_the_first_exif_block_gives() {
    let folders = folders(&[("templates/a.html", "{{ picture('twice.jpg', alt='', widths=[32]) }}")]);
    folders.write("static/twice.jpg", &fixture("exif-6-then-1.jpg"));
    let content = folders.content().with_images(patient());
    let (pages, files) = (content.clone(), files_app(&content));
    run(async {
        let page = get(&app(move |_| pages.render_template("a.html", ()).unwrap()), "/").send().await;
        assert!(page.text().contains("width=\"96\" height=\"64\""), "{}", page.text());
        let original = fetch(&files, "/static/twice.jpg", OLD).await.body;
        let blocks = original.windows(6).filter(|window| *window == b"Exif\0\0").count();
        assert_eq!(blocks, 1, "the one that says which side is up");
    });
}

#[test]
fn a_url_has_at_most_four_variants_and_each_its_own_tag() {
    let (_folders, content) = site(&["photo.jpg"]);
    let app = files_app(&content);
    run(async {
        let mut seen = std::collections::BTreeMap::new();
        for accept in
            [AVIF, WEBP, OLD, "*/*", "image/*", "", "text/html", "image/png", "image/webp", "image/jpeg", "image/avif"]
        {
            let answer = fetch(&app, "/static/photo.jpg?w=320&q=75".replace("320", "256").as_str(), accept).await;
            let tag = answer.line("etag").to_owned();
            let (other, _) = seen.entry(tag).or_insert((answer.body.clone(), accept));
            assert_eq!(*other, answer.body, "equal tags, equal bytes");
        }
        assert!(seen.len() <= 4, "{:?}", seen.keys());
        let bodies: std::collections::BTreeSet<_> = seen.values().map(|(body, _)| body.clone()).collect();
        assert_eq!(bodies.len(), seen.len(), "different bytes, different tags");
    });
}

#[test]
fn every_answer_of_a_negotiated_url_says_so() {
    let (_folders, content) = site(&["photo.jpg", "broken/half.jpg"]);
    let app = files_app(&content);
    run(async {
        let tag = fetch(&app, "/static/photo.jpg?w=256", WEBP).await.line("etag").to_owned();
        for (url, headers, status) in [
            ("/static/photo.jpg?w=256", &[][..], 200),
            ("/static/photo.jpg?w=256", &[("range", "bytes=0-9")], 206),
            ("/static/photo.jpg?w=256", &[("range", "bytes=9999999-")], 416),
            ("/static/photo.jpg?w=256", &[("if-none-match", tag.as_str())], 304),
            ("/static/photo.jpg?w=256", &[("if-match", "\"other\"")], 412),
            ("/static/photo.jpg/w256", &[], 200),
            ("/static/photo.jpg", &[], 200),
            ("/static/broken/half.jpg", &[], 200),
            ("/static/missing.jpg", &[], 404),
            ("/static/missing.jpg/w256", &[], 404),
        ] {
            let answer = get(&app, url).header("accept", WEBP).headers(headers).send().await;
            assert_eq!(answer.status.as_u16(), status, "{url} {headers:?}");
            assert_eq!(answer.line("vary"), "accept", "{url} {status}");
        }
        for url in ["/static/photo.jpg?w=256&fmt=webp", "/static/photo.jpg/w256.webp"] {
            assert_eq!(fetch(&app, url, WEBP).await.header("vary"), "", "{url} is for everyone");
        }
        let head = ask(&app, "HEAD", "/static/photo.jpg?w=256").header("accept", WEBP).send().await;
        let get = fetch(&app, "/static/photo.jpg?w=256", WEBP).await;
        assert_eq!(head.headers, get.headers);
        assert!(head.body.is_empty());
        assert_eq!(ask(&app, "POST", "/static/photo.jpg").send().await.status, 405);
    });
}

#[test]
fn a_304_decodes_nothing_and_a_tag_is_known_to_every_instance() {
    let (folders, content) = site(&["photo.jpg", "p3.png"]);
    run(async {
        for url in ["/static/photo.jpg?w=828", "/static/photo.jpg", "/static/p3.png", "/static/photo.jpg?w=48&fmt=png"]
        {
            for accept in [AVIF, WEBP, OLD] {
                let tag = fetch(&files_app(&content), url, accept).await.line("etag").to_owned();
                let other = files_app(&folders.content().with_images(patient()));
                let before = conversions();
                let answer = get(&other, url).header("accept", accept).header("if-none-match", &tag).send().await;
                assert_eq!(answer.status, 304, "{url} {accept}");
                assert_eq!(answer.line("etag"), tag);
                assert_eq!(conversions(), before, "nothing was converted for a 304");
            }
        }
    });
}

#[test]
fn tags_change_with_the_image_and_the_limits_and_not_with_its_name() {
    let (folders, content) = site(&["photo.jpg"]);
    folders.write("static/same.jpg", &fixture("photo.jpg"));
    folders.write("static/other.jpg", &fixture("444.jpg"));
    let app = files_app(&content);
    let limited = patient().with_limits(ImageLimits::default().with_profile(0));
    let limited = files_app(&folders.content().with_images(limited));
    run(async {
        let first = fetch(&app, "/static/photo.jpg?w=96", WEBP).await;
        assert_eq!(fetch(&app, "/static/same.jpg?w=96", WEBP).await.line("etag"), first.line("etag"));
        assert_ne!(fetch(&app, "/static/other.jpg?w=96", WEBP).await.line("etag"), first.line("etag"));
        assert_ne!(fetch(&limited, "/static/photo.jpg?w=96", WEBP).await.line("etag"), first.line("etag"));
    });
}

#[test]
fn what_is_not_on_the_menu_is_a_400_and_costs_nothing() {
    let (_folders, content) = site(&["photo.jpg", "plain.svg"]);
    let app = files_app(&content);
    run(async {
        let before = conversions();
        for url in [
            "/static/photo.jpg?w=641",
            "/static/photo.jpg?w=99999999999999999999",
            "/static/photo.jpg?q=81",
            "/static/photo.jpg?fmt=bmp",
            "/static/photo.jpg?width=640",
            "/static/photo.jpg?w=640&w=640",
            "/static/photo.jpg?dpr=2",
            "/static/photo.jpg?<script>",
            "/static/photo.jpg/w641",
            "/static/photo.jpg/zzz",
            "/static/photo.jpg/w640?w=640",
        ] {
            let answer = fetch(&app, url, WEBP).await;
            assert_eq!(answer.status, 400, "{url}");
            assert_eq!(answer.line("content-type"), "text/plain; charset=utf-8");
            assert_eq!(answer.line("cache-control"), "no-store");
            assert!(!answer.text().contains('<'), "{}", answer.text());
        }
        assert_eq!(conversions(), before);
        assert_eq!(fetch(&app, "/static/photo.jpg/w640/w640", WEBP).await.status, 404);
    });
}

#[test]
fn nothing_is_larger_than_the_original_and_nothing_tells_where_it_was_taken() {
    let names = fixtures();
    let (_folders, content) = site(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let app = files_app(&content);
    run(async {
        for name in &names {
            let original = fixture(name);
            for query in ["", "?w=64"] {
                for accept in [AVIF, WEBP, OLD] {
                    let answer = fetch(&app, &format!("/static/{name}{query}"), accept).await;
                    assert_eq!(answer.status, StatusCode::OK, "{name}{query} {accept}");
                    let kind = |bytes: &[u8]| infer::get(bytes).map(|kind| kind.mime_type());
                    let acceptable = |media_type| match media_type {
                        Some("image/webp") => accept != OLD,
                        // Narrower it is a PNG, where there is no choice.
                        Some("image/gif") => accept != OLD || query.is_empty(),
                        // Few browsers show it.
                        Some("image/tiff") => false,
                        _ => true,
                    };
                    if acceptable(kind(&original)) {
                        assert!(answer.body.len() <= original.len(), "{name}{query} {accept}: {}", answer.body.len());
                    }
                    let converted = matches!(kind(&original), Some("image/jpeg" | "image/png" | "image/webp"));
                    let sound = !name.starts_with("broken/") && !name.starts_with("animated");
                    if converted && sound {
                        // A profile's licence says nothing about the picture.
                        let text = String::from_utf8_lossy(&answer.body).replace("CC0 MUST-NOT-LEAK", "");
                        let tells = text.contains("MUST-NOT-LEAK");
                        assert!(!tells, "{name}{query} {accept} tells");
                    }
                }
            }
        }
    });
}

#[test]
fn broken_images_and_bombs_go_out_as_they_are() {
    let folders = folders(&[]);
    let broken: Vec<String> = fixtures().into_iter().filter(|name| name.starts_with("broken/")).collect();
    let mut files: Vec<(String, Vec<u8>)> = broken.iter().map(|name| (name.clone(), fixture(name))).collect();
    files.extend(bombs::ALL.iter().map(|(name, make)| (format!("bombs/{name}"), make())));
    for (name, bytes) in &files {
        folders.write(&format!("static/{name}"), bytes);
    }
    let app = files_app(&folders.content().with_images(patient()));
    run(async {
        for (name, bytes) in &files {
            let begun = std::time::Instant::now();
            let answer = fetch(&app, &format!("/static/{name}?w=64"), WEBP).await;
            if bytes.len() > 4_000_000 {
                continue; // larger than a reply
            }
            assert_eq!(answer.status, StatusCode::OK, "{name}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{name} took {:?}", begun.elapsed());
        }
        // The site goes on.
        folders.write("static/photo.jpg", &fixture("photo.jpg"));
        let app = files_app(&folders.content().with_images(patient()));
        assert_eq!(fetch(&app, "/static/photo.jpg?w=64", WEBP).await.line("content-type"), "image/webp");
    });
}

#[test]
fn an_svg_image_is_disarmed() {
    let (_folders, content) = site(&["script.svg", "plain.svg"]);
    for content in [content.clone(), content.with_images(Images::new())] {
        let app = files_app(&content);
        run(async {
            for name in ["script.svg", "plain.svg"] {
                let answer = fetch(&app, &format!("/static/{name}"), AVIF).await;
                let policy = answer.line("content-security-policy");
                assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
            }
        });
    }
}

#[test]
fn identical_conversions_run_once_and_results_are_kept() {
    let (_folders, content) = site(&["photo.jpg"]);
    let app = files_app(&content);
    run(async {
        let before = conversions();
        let asked: Vec<_> = (0..16).map(|_| fetch(&app, "/static/photo.jpg?w=750&q=60", WEBP)).collect();
        let answers = futures_util::future::join_all(asked).await;
        assert!(answers.iter().all(|answer| answer.body == answers[0].body));
        assert_eq!(conversions() - before, 1);
        fetch(&app, "/static/photo.jpg?w=750&q=60", WEBP).await;
        assert_eq!(conversions() - before, 1);
    });
}

#[test]
fn results_outlive_the_process_on_disk_and_a_torn_one_is_made_anew() {
    let (folders, _) = site(&["photo.jpg"]);
    let disk = tempfile::tempdir().unwrap();
    let fresh = || files_app(&folders.content().with_images(patient().with_disk_cache(disk.path(), 1 << 20)));
    run(async {
        let first = fetch(&fresh(), "/static/photo.jpg?w=384&q=50", WEBP).await;
        let before = conversions();
        assert_eq!(fetch(&fresh(), "/static/photo.jpg?w=384&q=50", WEBP).await.body, first.body);
        assert_eq!(conversions(), before, "it was taken from the disk");
        for file in fs::read_dir(disk.path()).unwrap() {
            fs::write(file.unwrap().path(), b"torn").unwrap();
        }
        assert_eq!(fetch(&fresh(), "/static/photo.jpg?w=384&q=50", WEBP).await.body, first.body);
        assert_eq!(conversions(), before + 1);
    });
}

#[test]
fn who_waits_too_long_gets_the_original_and_no_cache_keeps_it() {
    let (_folders, _) = site(&[]);
    let folders = folders(&[]);
    let large = enlarged(&fixture("photo.jpg"));
    folders.write("static/large.png", &large);
    let hasty = Images::new().with_time(Duration::from_millis(4_000)).with_jobs(1);
    let app = files_app(&folders.content().with_images(hasty));
    run(async {
        let widths = [384, 640, 750, 828, 1080, 1200, 1920];
        let urls: Vec<String> = (0..3)
            .flat_map(|quality| widths.map(|width| format!("/static/large.png?w={width}&q={}", [60, 75, 80][quality])))
            .collect();
        let answers = futures_util::future::join_all(urls.iter().map(|url| fetch(&app, url, "image/webp"))).await;
        let late: Vec<_> = answers.iter().filter(|answer| answer.header("cache-control") == "no-store").collect();
        assert!(!late.is_empty(), "one job at a time and four seconds for 21 of them");
        for answer in late {
            assert_eq!(answer.status, 200);
            assert_eq!((answer.header("etag"), answer.line("content-type")), ("", "image/png"));
            assert_eq!(answer.body, large);
        }
    });
}

/// As a PNG, which takes its time.
fn enlarged(photo: &[u8]) -> Vec<u8> {
    let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[])).unwrap();
    let png = run(content.convert_by_accept(photo.to_vec(), "image/png", ImageFormat::Png)).unwrap();
    png.bytes.to_vec()
}

#[test]
fn without_time_or_memory_the_original_is_sent_and_tagged() {
    let (folders, _) = site(&["photo.jpg"]);
    for images in [
        Images::new().with_time(Duration::ZERO),
        Images::new().with_memory(1 << 20),
        Images::new().with_limits(ImageLimits::default().with_pixels(1000)),
        Images::new().with_limits(ImageLimits::default().with_side(1000)),
        Images::new().with_limits(ImageLimits::default().with_bytes(1000)),
    ] {
        let app = files_app(&folders.content().with_images(images));
        run(async {
            let before = conversions();
            let answer = fetch(&app, "/static/photo.jpg?w=640", WEBP).await;
            assert_eq!(answer.body, fixture("photo.jpg"));
            assert_eq!(answer.line("content-type"), "image/jpeg");
            let tag = answer.line("etag");
            let again =
                get(&app, "/static/photo.jpg?w=640").header("accept", WEBP).header("if-none-match", tag).send().await;
            assert_eq!(again.status, 304);
            assert_eq!(conversions(), before);
        });
    }
}

#[test]
fn whoever_has_a_better_variant_than_this_instance_can_make_keeps_it() {
    let (folders, content) = site(&["photo.jpg"]);
    let poor = files_app(&folders.content().with_images(Images::new().with_time(Duration::ZERO)));
    run(async {
        let tag = fetch(&files_app(&content), "/static/photo.jpg?w=640", WEBP).await.line("etag").to_owned();
        let answer =
            get(&poor, "/static/photo.jpg?w=640").header("accept", WEBP).header("if-none-match", &tag).send().await;
        assert_eq!((answer.status.as_u16(), answer.line("etag")), (304, tag.as_str()));
        let other =
            get(&poor, "/static/photo.jpg?w=384").header("accept", WEBP).header("if-none-match", &tag).send().await;
        assert_eq!(other.status, 200, "that tag is another width's");
        let other =
            get(&poor, "/static/photo.jpg?w=640").header("accept", OLD).header("if-none-match", &tag).send().await;
        assert_eq!(other.status, 200, "that tag is another format's");
    });
}

/// Conditions that may name any tags: a list, a malformed one, a weak one, a tag in no list at all.
fn conditions(tags: &[String]) -> Vec<Vec<(&'static str, String)>> {
    let mut asked = vec![vec![("if-match", "*".to_owned())], vec![("range", "bytes=0-3".to_owned())]];
    for tag in tags {
        for field in ["if-match", "if-none-match", "if-range"] {
            for value in
                [tag.clone(), format!("\"x\", {tag}"), format!("{tag} x"), format!("x{tag}"), format!("W/{tag}")]
            {
                asked.push(vec![(field, value.clone())]);
                asked.push(vec![(field, value), ("range", "bytes=0-3".to_owned())]);
            }
        }
        asked.push(vec![("if-match", tag.clone()), ("if-none-match", tag.clone())]);
        asked.push(vec![("if-match", tag.clone()), ("if-range", tag.clone()), ("range", "bytes=0-3".to_owned())]);
    }
    asked
}

/// A field that is not in Vary never changes the bytes of a 200: whoever else asks with this Accept gets them from a cache.
#[test]
fn a_condition_never_changes_what_is_sent() {
    let (folders, content) = site(&["photo.jpg", "p3.png"]);
    folders.write("templates/a.html", b"{{ static('photo.jpg') }}");
    let pages = content.clone();
    let page = app(move |_| pages.render_template("a.html", ()).unwrap());
    let hasty = || folders.content().with_images(Images::new().with_time(Duration::ZERO));
    let cookie = |content: ContentManager| {
        app(move |request| {
            let image = content.static_file_at(request.uri());
            image.with_added_header(http::header::SET_COOKIE, http::HeaderValue::from_static("a=1"))
        })
    };
    let (rich, poor) = (files_app(&content), files_app(&hasty()));
    let (rich_cookie, poor_cookie) = (cookie(content.clone()), cookie(hasty()));
    run(async {
        let url = get(&page, "/").send().await.text().to_owned();
        for url in [format!("{url}?w=384"), url, "/static/p3.png?w=96".into(), "/static/p3.png/w96.webp".into()] {
            let mut tags = Vec::new();
            for app in [&rich, &poor] {
                for accept in [AVIF, WEBP, OLD] {
                    tags.push(fetch(app, &url, accept).await.line("etag").to_owned());
                }
            }
            tags.sort();
            tags.dedup();
            assert!(tags.len() > 1, "the original's and a variant's");
            for (app, accept) in
                [&rich, &poor, &rich_cookie, &poor_cookie].iter().flat_map(|app| [(*app, WEBP), (*app, OLD)])
            {
                let plain = fetch(app, &url, accept).await;
                for fields in conditions(&tags) {
                    let named: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    let answer = get(app, &url).header("accept", accept).headers(&named).send().await;
                    match answer.status.as_u16() {
                        200 => assert_eq!(
                            (&answer.headers, &answer.body),
                            (&plain.headers, &plain.body),
                            "{url} {fields:?}"
                        ),
                        206 => {
                            assert_eq!((&answer.body[..], answer.line("etag")), (&plain.body[..4], plain.line("etag")));
                        }
                        304 | 412 => assert!(answer.body.is_empty() || answer.status == 412, "{url} {fields:?}"),
                        other => panic!("{other} for {url} {fields:?}"),
                    }
                    let is_current = fields
                        .iter()
                        .all(|(name, value)| *name != "if-match" || value.contains(plain.line("etag")) || value == "*");
                    let is_weak = fields.iter().any(|(name, value)| *name == "if-match" && value.starts_with("W/"));
                    let is_list = fields.iter().all(|(_, value)| !value.ends_with(" x") && !value.starts_with("x"));
                    assert_eq!(answer.status == 412, is_list && (!is_current || is_weak), "{url} {fields:?}");
                }
            }
        }
    });
}

/// The same where the bytes, and so the tag, are known only when they are loaded.
#[test]
fn a_condition_never_changes_an_image_that_has_to_be_loaded_first() {
    let (_folders, content) = site(&[]);
    let hasty = content.clone().with_images(Images::new().with_time(Duration::ZERO));
    run(async {
        let ask = async |content: &ContentManager, name: &'static str, fields: &[(&'static str, String)]| {
            let mut request = http::Request::get("/?w=640").header("accept", WEBP);
            for (name, value) in fields {
                request = request.header(*name, value);
            }
            let request = request.body(()).unwrap();
            let etag = async || Ok::<_, BoxError>(Some(name));
            let image = content.image_with(request.uri(), etag, async move || Ok::<_, BoxError>(fixture(name)));
            let response = CloudFront::new().respond(&request, image.await.unwrap()).await.unwrap();
            let (parts, body) = response.into_parts();
            (parts, http_body_util::BodyExt::collect(body).await.unwrap().to_bytes())
        };
        // One is made smaller, one is narrower than it could be, one is sent as it is.
        for name in ["photo.jpg", "17x13.jpg", "script.svg"] {
            let (plain, body) = ask(&content, name, &[]).await;
            let tag = plain.headers["etag"].to_str().unwrap().to_owned();
            let original = ask(&hasty, name, &[]).await.0.headers["etag"].to_str().unwrap().to_owned();
            for fields in conditions(&[tag.clone(), original.clone(), "\"other\"".into()]) {
                let (answer, sent) = ask(&content, name, &fields).await;
                match answer.status.as_u16() {
                    200 => assert_eq!((&answer.headers, &sent), (&plain.headers, &body), "{name} {fields:?}"),
                    304 => assert!(fields.iter().any(|(field, _)| *field == "if-none-match"), "{name} {fields:?}"),
                    412 => {
                        assert!(
                            fields.iter().any(|(field, value)| *field == "if-match" && *value != tag),
                            "{fields:?}"
                        );
                    }
                    other => panic!("{other} for {name} {fields:?}"),
                }
            }
            for (value, status) in [(&tag, 200), (&original, if tag == original { 200 } else { 412 })] {
                let answer = ask(&content, name, &[("if-match", value.clone())]).await;
                assert_eq!(answer.0.status, status, "{name}");
            }
            assert_eq!(ask(&content, name, &[("if-match", "\"other\"".into())]).await.0.status, 412, "{name}");
            assert_eq!(ask(&content, name, &[("if-none-match", tag)]).await.0.status, 304, "{name}");
        }
    });
}

#[test]
fn fingerprinted_variants_are_immutable() {
    let (folders, content) = site(&["photo.jpg"]);
    folders.write("templates/a.html", b"{{ static('photo.jpg') }}");
    let pages = content.clone();
    let page = app(move |_| pages.render_template("a.html", ()).unwrap());
    let files = files_app(&content);
    run(async {
        let url = get(&page, "/").send().await.text().to_owned();
        assert!(url.starts_with("/static/photo.") && url.ends_with(".jpg"), "{url}");
        let answer = fetch(&files, &format!("{url}?w=256"), WEBP).await;
        assert_eq!(answer.line("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(answer.line("content-type"), "image/webp");
        let outdated = fetch(&files, "/static/photo.00000000000000000000.jpg/w256.webp", WEBP).await;
        assert_eq!(outdated.line("cache-control"), "no-cache");
        assert_eq!(fetch(&files, "/static/photo.jpg?w=256", WEBP).await.line("cache-control"), "no-cache");
    });
}

#[test]
fn every_304_of_a_variant_is_true() {
    let (_folders, content) = site(&["photo.jpg", "logo.png", "lossy.webp", "p3.jpg"]);
    let files = content.clone();
    let strict =
        app_with(CloudFront::new().with_verify(Verify::Always), move |request| files.static_file_at(request.uri()));
    run(async {
        for name in ["photo.jpg", "logo.png", "lossy.webp", "p3.jpg"] {
            for query in ["", "?w=96", "?w=96&q=50", "?fmt=png"] {
                for accept in [AVIF, WEBP, OLD, "image/png"] {
                    let url = format!("/static/{name}{query}");
                    let tag = fetch(&strict, &url, accept).await.line("etag").to_owned();
                    let again = get(&strict, &url).header("accept", accept).header("if-none-match", &tag).send().await;
                    assert_eq!(again.status, 304, "{url} {accept}");
                }
            }
        }
    });
}

#[test]
fn prebuilt_variants_are_used_and_stale_ones_removed() {
    let (folders, _) = site(&["photo.jpg", "logo.png", "animated.gif", "broken/half.jpg"]);
    let images = || patient().with_widths([256, 640]);
    let root = folders.path().join("static");
    let done = images().prebuild(&root).unwrap();
    assert_eq!((done.images, done.kept, done.removed), (2, 0, 0), "{done:?}");
    assert!(done.made >= 6 && done.bytes > 0, "{done:?}");
    let again = images().prebuild(&root).unwrap();
    assert_eq!((again.made, again.kept, again.removed), (0, done.made, 0));

    let app = files_app(&folders.content().with_images(images()));
    run(async {
        let before = conversions();
        for url in ["/static/photo.jpg?w=640", "/static/photo.jpg", "/static/photo.jpg?w=256", "/static/logo.png"] {
            for accept in [AVIF, WEBP, OLD] {
                let answer = fetch(&app, url, accept).await;
                assert_eq!(answer.status, 200);
                assert!(accept == OLD || answer.line("content-type") != "image/jpeg", "{url} {accept}");
            }
        }
        assert_eq!(conversions(), before, "nothing is converted at run time");
    });
    images().with_path_urls().prebuild(&root).unwrap();
    let app = files_app(&folders.content().with_images(images().with_path_urls()));
    run(async {
        let before = conversions();
        let last = [("photo.jpg", "jpg"), ("logo.png", "png")].map(|(name, last)| (name, ["webp", last]));
        for (name, formats) in last {
            for format in formats {
                for width in ["w256", "full"] {
                    let answer = fetch(&app, &format!("/static/{name}/{width}.{format}"), OLD).await;
                    assert_eq!(answer.status, 200, "{name} {width} {format}");
                }
            }
        }
        assert_eq!(conversions(), before, "nothing is converted at run time");
    });
    images().prebuild(&root).unwrap();

    folders.write("static/photo.jpg", &fixture("444.jpg"));
    let changed = images().prebuild(&root).unwrap();
    assert!(changed.removed > 0 && changed.made > 0, "{changed:?}");
    let app = files_app(&folders.content().with_images(images()));
    run(async {
        let answer = fetch(&app, "/static/photo.jpg", "image/webp").await;
        assert!(answer.body.len() <= fixture("444.jpg").len(), "an older image's variant is not taken for this one's");
    });
}

#[test]
fn images_of_the_sites_own_code_are_negotiated_before_they_are_loaded() {
    let (_folders, content) = site(&[]);
    let content = content.with_images(patient());
    let image = |bytes: Vec<u8>| {
        let content = content.clone();
        app(move |request| content.image(request.uri(), bytes.clone()).unwrap())
    };
    run(async {
        let photo = image(fixture("photo.jpg"));
        let answer = fetch(&photo, "/?w=256", WEBP).await;
        assert_eq!((answer.line("content-type"), answer.line("vary")), ("image/webp", "accept"));
        let tag = answer.line("etag");
        let again = get(&photo, "/?w=256").header("accept", WEBP).header("if-none-match", tag).send().await;
        assert_eq!((again.status.as_u16(), again.line("vary")), (304, "accept"));
        assert_eq!(fetch(&photo, "/?w=257", WEBP).await.status, 400);
        for (name, media_type) in
            [("animated.gif", "image/gif"), ("script.svg", "image/svg+xml"), ("alpha-orientation-6.avif", "image/avif")]
        {
            let answer = fetch(&image(fixture(name)), "/", AVIF).await;
            assert_eq!(answer.line("content-type"), media_type);
            assert_eq!(answer.body, fixture(name));
            assert_eq!(answer.headers.contains_key("content-security-policy"), media_type == "image/svg+xml");
        }
        for name in ["broken/half.jpg", "broken/text-named.jpg", "broken/empty.jpg"] {
            let error = content.image(&"/".parse().unwrap(), fixture(name)).map(|_| ());
            if name != "broken/half.jpg" {
                assert_eq!(error.unwrap_err().kind(), ErrorKind::Image, "{name}");
            }
        }
    });
}

#[test]
fn images_by_version_are_loaded_only_if_they_are_needed() {
    let (_folders, content) = site(&[]);
    let content = content.with_images(patient());
    run(async {
        let ask = async |version: &'static str, url: &str, fields: &[(&str, &str)], file: Option<&'static str>| {
            let mut request = http::Request::get(url);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            let etag = async || Ok::<_, BoxError>(Some(version));
            let load = async move || Ok::<_, BoxError>(fixture(file.expect("nothing is loaded")));
            let image = content.image_with(request.uri(), etag, load).await.unwrap();
            CloudFront::new().respond(&request, image).await
        };
        let first = ask("v1", "/?w=640", &[("accept", WEBP)], Some("photo.jpg")).await.unwrap();
        assert_eq!(
            (&first.headers()["content-type"], &first.headers()["vary"]),
            (&"image/webp".parse().unwrap(), &"accept".parse().unwrap())
        );
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        let held = [("accept", WEBP), ("if-none-match", tag.as_str())];
        assert_eq!(ask("v1", "/?w=640", &held, None).await.unwrap().status(), 304);
        for (version, url, accept) in [("v2", "/?w=640", WEBP), ("v1", "/?w=256", WEBP), ("v1", "/?w=640", OLD)] {
            let fields = [("accept", accept), ("if-none-match", tag.as_str())];
            assert_eq!(
                ask(version, url, &fields, Some("photo.jpg")).await.unwrap().status(),
                200,
                "{version} {url} {accept}"
            );
        }
        // Narrower than what is asked for: the same image at both widths, and known again at either.
        let narrow = ask("v3", "/?w=640", &[("accept", WEBP)], Some("17x13.jpg")).await.unwrap();
        let tag = narrow.headers()["etag"].to_str().unwrap().to_owned();
        let held = [("accept", WEBP), ("if-none-match", tag.as_str())];
        assert_eq!(ask("v3", "/?w=640", &held, None).await.unwrap().status(), 304);
        // A range of what is loaded now is not asked for by a validator that it has: all of it is sent.
        let ranged = [("accept", WEBP), ("range", "bytes=0-3"), ("if-range", "\"old\"")];
        assert_eq!(ask("v1", "/?w=640", &ranged, Some("photo.jpg")).await.unwrap().status(), 200);
        let broken = ask("v4", "/", &[], Some("broken/text-named.jpg")).await.unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::Image);
    });
}

#[test]
fn an_image_that_is_not_there_or_refused_has_no_policy_of_the_image() {
    let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[])).unwrap().with_images(patient());
    run(async {
        for (url, version, status, policy) in
            [("/?w=640", None, 404, "no-cache"), ("/?w=999", Some("v1"), 400, "no-store")]
        {
            let request = http::Request::get(url).body(()).unwrap();
            let etag = async || Ok::<_, BoxError>(version);
            let load = async || Ok::<_, BoxError>(fixture("photo.jpg"));
            let image = content.image_with(request.uri(), etag, load).await.unwrap();
            let image = image.with_cache_control(CacheControl::immutable()).with_download("photo.jpg");
            let answer = CloudFront::new().respond(&request, image).await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["cache-control"]),
                (status, &policy.parse().unwrap())
            );
            assert!(!answer.headers().contains_key("content-disposition"), "{url}");
        }
    });
}

#[test]
fn a_makeshift_is_kept_for_an_hour_whoever_sets_the_policy() {
    let (folders, _) = site(&["photo.jpg"]);
    let poor = folders.content().with_images(Images::new().with_time(Duration::ZERO));
    let year = CacheControl::immutable().to_string();
    run(async {
        type Set = fn(Representation) -> Representation;
        let set: [(&str, Set); 5] = [
            ("public, max-age=3600", |it| it.with_cache_control(CacheControl::immutable())),
            ("public, max-age=0, must-revalidate, s-maxage=3600", |it| {
                it.with_cache_control(CacheControl::until_purged())
            }),
            ("no-cache", |it| it.with_cache_control(CacheControl::no_cache())),
            ("private, max-age=60", |it| it.with_header(header::CACHE_CONTROL, "private, max-age=60".parse().unwrap())),
            ("public, max-age=3600", |it| it),
        ];
        for (expected, set) in set {
            let cloudfront = CloudFront::new().with_default_cache_control(CacheControl::immutable());
            for name in ["static", "loaded", "whole"] {
                let ask = async |tag: Option<&str>| {
                    let mut request = http::Request::get("/static/photo.jpg?w=640").header("accept", WEBP);
                    request = tag.into_iter().fold(request, |request, tag| request.header("if-none-match", tag));
                    let request = request.body(()).unwrap();
                    let load = async || Ok::<_, BoxError>(fixture("photo.jpg"));
                    let image = match name {
                        "static" => poor.static_file_at(request.uri()),
                        "whole" => poor.image(request.uri(), fixture("photo.jpg")).unwrap(),
                        _ => poor.image_with(request.uri(), async || Ok(Some("v1")), load).await.unwrap(),
                    };
                    cloudfront.respond(&request, set(image)).await.unwrap()
                };
                let answer = ask(None).await;
                let sent = |answer: &http::Response<_>| answer.headers()["cache-control"].to_str().unwrap().to_owned();
                assert_eq!((answer.status().as_u16(), sent(&answer).as_str()), (200, expected), "{name}");
                let again = ask(answer.headers()["etag"].to_str().ok()).await;
                assert_eq!((again.status().as_u16(), sent(&again).as_str()), (304, expected), "{name}");
            }
        }
        // What is final is kept as the site says.
        let rich = folders.content().with_images(patient());
        let request = http::Request::get("/?w=640").header("accept", WEBP).body(()).unwrap();
        let load = async || Ok::<_, BoxError>(fixture("photo.jpg"));
        let image = rich.image_with(request.uri(), async || Ok(Some("v1")), load).await.unwrap();
        let image = image.with_cache_control(CacheControl::immutable());
        let answer = CloudFront::new().respond(&request, image).await.unwrap();
        assert_eq!(answer.headers()["cache-control"], year.as_str());
    });
}

#[test]
fn images_of_one_version_at_two_urls_are_two_images() {
    let (_folders, content) = site(&[]);
    run(async {
        let avatar = async |user: &str, file: &'static str| {
            let request = http::Request::get(format!("/{user}/avatar?w=48")).header("accept", WEBP).body(()).unwrap();
            let etag = async || Ok::<_, BoxError>(Some("3"));
            let load = async move || Ok::<_, BoxError>(fixture(file));
            let image = content.image_with(request.uri(), etag, load).await.unwrap();
            let response = CloudFront::new().respond(&request, image).await.unwrap();
            http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes()
        };
        assert_ne!(avatar("ada", "photo.jpg").await, avatar("bob", "logo.png").await);
    });
}

#[test]
fn a_304_never_confirms_a_format_that_is_refused() {
    let (_folders, content) = site(&["lossy.webp"]);
    let app = files_app(&content);
    run(async {
        let tag = fetch(&app, "/static/lossy.webp", WEBP).await.line("etag").to_owned();
        let refusing = [("accept", "image/jpeg,image/png,image/webp;q=0"), ("if-none-match", tag.as_str())];
        let answer = get(&app, "/static/lossy.webp").headers(&refusing).send().await;
        assert_eq!((answer.status.as_u16(), answer.line("content-type")), (200, "image/jpeg"));
    });
}

#[test]
fn what_is_not_converted_tells_nothing_either() {
    let mut cut = fixture("metadata.jpg");
    cut.truncate(cut.len() - 2);
    let folders = folders(&[]);
    folders.write("static/cut.jpg", &cut);
    for name in ["orientation-6.jpg", "metadata.png", "metadata.jpg"] {
        folders.write(&format!("static/{name}"), &fixture(name));
    }
    let limits = ImageLimits::default().with_pixels(10);
    let app = files_app(&folders.content().with_images(patient().with_limits(limits)));
    run(async {
        for name in ["cut.jpg", "orientation-6.jpg", "metadata.png", "metadata.jpg"] {
            let url = format!("/static/{name}?w=48");
            let answer = fetch(&app, &url, WEBP).await;
            assert_eq!(answer.status, 200);
            assert!(!answer.body.windows(13).any(|window| window == b"MUST-NOT-LEAK"), "{name} tells");
            let tag = answer.line("etag");
            let again = get(&app, &url).header("accept", WEBP).header("if-none-match", tag);
            assert_eq!(again.send().await.status, 304);
        }
    });
}

#[test]
fn an_upload_with_impossible_measures_is_an_error() {
    let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[])).unwrap();
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend([0xff; 8]);
    png.extend(
        b"\x08\x06\0\0\0\0\0\0\0\0\0\0\x08acTL\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0IDAT\0\0\0\0\0\0\0\0IEND\0\0\0\0",
    );
    let refused = content.image(&"/".parse().unwrap(), png).map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Image);
}

#[test]
fn a_page_with_placeholders_leaves_the_thread_to_others() {
    let folders = folders(&[("templates/a.html", "{{ picture('photo.jpg', alt='', placeholder='blur') }}")]);
    folders.write("static/photo.jpg", &fixture("photo.jpg"));
    let content = folders.content().with_images(patient());
    let page = content.render_template("a.html", ()).unwrap();
    run(async {
        let mut turns = 0;
        let request = http::Request::new(());
        let response = CloudFront::new().respond(&request, page);
        tokio::pin!(response);
        loop {
            tokio::select! {
                biased;
                response = &mut response => break assert_eq!(response.unwrap().status(), 200),
                () = tokio::task::yield_now() => turns += 1,
            }
        }
        assert!(turns > 0, "pixels were looked at on the thread that answers");
    });
}

#[test]
fn placeholders_that_were_made_ahead_are_shown_and_tagged() {
    let folders = folders(&[("templates/a.html", "{{ picture('photo.jpg', alt='', placeholder='blur') }}")]);
    folders.write("static/photo.jpg", &fixture("photo.jpg"));
    let page = || {
        let content = folders.content().with_images(patient());
        let app = app(move |_| content.render_template("a.html", ()).unwrap());
        let answer = run(get(&app, "/").send());
        (answer.text().to_owned(), answer.line("etag").to_owned())
    };
    let (at_run_time, first) = page();
    patient().with_widths([640]).prebuild(folders.path().join("static")).unwrap();
    let (ahead, _) = page();
    assert_eq!(ahead, at_run_time);
    let made = std::fs::read_dir(folders.path().join("static/_variants/photo.jpg")).unwrap();
    let mut made = made.map(|entry| entry.unwrap().path());
    let blur = made.find(|path| path.to_string_lossy().contains("placeholder-blur")).unwrap();
    std::fs::write(blur, "background:url(elsewhere)").unwrap();
    let (changed, second) = page();
    assert!(changed.contains("background:url(elsewhere)"), "{changed}");
    assert_ne!(first, second, "made on another machine, it may be another");
}

#[test]
fn convert_by_accept_takes_the_first_choice_and_else_the_default() {
    let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[])).unwrap();
    run(async {
        for (name, accept, default, expected) in [
            ("photo.jpg", "image/webp", ImageFormat::Jpeg, "image/webp"),
            ("photo.jpg", AVIF, ImageFormat::Jpeg, best()),
            ("photo.jpg", "*/*", ImageFormat::Jpeg, "image/jpeg"),
            ("photo.jpg", "", ImageFormat::Webp, "image/webp"),
            ("photo.jpg", "image/jpeg", ImageFormat::Webp, "image/jpeg"),
            ("photo.jpg", "image/png;q=0.5, image/jpeg;q=0.9", ImageFormat::Webp, "image/jpeg"),
            ("rgba.png", "", ImageFormat::Jpeg, "image/jpeg"),
            ("logo.png", "image/webp", ImageFormat::Jpeg, "image/webp"),
            ("17x13.jpg", "image/png", ImageFormat::Jpeg, "image/png"),
        ] {
            let image = content.convert_by_accept(fixture(name), accept, default).await.unwrap();
            assert_eq!(image.media_type, expected, "{name} {accept}");
            assert_eq!(infer::get(&image.bytes).unwrap().mime_type(), expected);
        }
        for orientation in 1..=8 {
            let upright =
                content.convert_by_accept(fixture(&format!("orientation-{orientation}.jpg")), "", ImageFormat::Png);
            let upright = upright.await.unwrap();
            let reference = content.convert_by_accept(fixture("upright.png"), "", ImageFormat::Png).await.unwrap();
            assert_eq!((upright.width, upright.height), (reference.width, reference.height), "{orientation}");
        }
        for name in ["broken/text-named.jpg", "animated.gif", "plain.svg", "broken/half.png"] {
            let error = content.convert_by_accept(fixture(name), "", ImageFormat::Png).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Image, "{name}");
        }
        for (name, bomb) in bombs::ALL {
            _ = content.convert_by_accept(Bytes::from(bomb()), "", ImageFormat::Png).await.inspect_err(|error| {
                assert_eq!(error.kind(), ErrorKind::Image, "{name}");
            });
        }
    });
}

/// The only line of a page of this template.
fn shown(files: &[(&str, Vec<u8>)], images: Images, template: &str) -> (String, String) {
    let folders = folders(&[("templates/a.html", template)]);
    for (name, bytes) in files {
        folders.write(&format!("static/{name}"), bytes);
    }
    let content = folders.content().with_images(images);
    let app = app(move |_| content.render_template("a.html", ()).unwrap());
    let answer = run(get(&app, "/").send());
    assert_eq!(answer.status, 200, "{}", answer.text());
    // A fingerprint is as long as it is.
    let mut text = answer.text().to_owned();
    while let Some(at) = text.match_indices("photo.").map(|(at, _)| at + 6).find(|at| !text[*at..].starts_with("jpg")) {
        text.replace_range(at..at + 21, "");
    }
    (text, answer.header("etag").to_owned())
}

#[test]
fn a_picture_has_its_size_and_the_widths_that_there_are() {
    let photo = || vec![("photo.jpg", fixture("photo.jpg"))];
    let (text, _) = shown(
        &photo(),
        Images::new(),
        "{{ picture('photo.jpg', widths=[640, 1200, 3840], sizes='50vw', alt='Mugs & \"jugs\"', class='wide') }}",
    );
    assert_eq!(
        text,
        "<picture><img src=\"/static/photo.jpg?w=1200\" \
         srcset=\"/static/photo.jpg?w=640 640w, /static/photo.jpg?w=1200 1200w, \
         /static/photo.jpg?w=3840 1600w\" sizes=\"50vw\" width=\"1600\" \
         height=\"1067\" alt=\"Mugs &amp; &quot;jugs&quot;\" loading=\"lazy\" decoding=\"async\" class=\"wide\"></picture>"
    );
    let (text, _) = shown(&photo(), Images::new().with_path_urls(), "{{ picture('photo.jpg', widths=[640], alt='') }}");
    assert!(text.contains("<source type=\"image/webp\""), "{text}");
    assert!(text.contains("w640.webp") && text.contains("w640.jpg"), "{text}");
    let (text, _) = shown(&photo(), Images::new(), "{{ srcset('photo.jpg', widths=[640]) }}");
    assert!(text.contains("?w=640 640w"), "{text}");
    let (text, _) = shown(&[], Images::new(), "{{ picture('missing.jpg', alt='') }}");
    assert!(text.contains("missing.jpg\"") && !text.contains("width"), "{text}");
    for (placeholder, expected) in [("colour", "background-color:#"), ("blur", "data:image")] {
        let template = format!("{{{{ picture('photo.jpg', alt='', placeholder='{placeholder}') }}}}");
        let (text, _) = shown(&photo(), Images::new(), &template);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_picture_is_part_of_its_pages_tag() {
    let photo = || vec![("photo.jpg", fixture("photo.jpg"))];
    let template = "{{ picture('photo.jpg', widths=[640], alt='') }}";
    let tag = |files: &[(&str, Vec<u8>)], images, template| shown(files, images, template).1;
    let first = tag(&photo(), Images::new(), template);
    assert_eq!(tag(&photo(), Images::new(), template), first);
    assert_ne!(tag(&[("photo.jpg", fixture("444.jpg"))], Images::new(), "{{ picture('photo.jpg', alt='') }}"), first);
    assert_ne!(tag(&photo(), Images::new().with_path_urls(), template), first);
    assert_ne!(tag(&photo(), Images::new().with_widths([256, 640]), template), first);
    let limited = Images::new().with_limits(ImageLimits::default().with_pixels(10));
    assert_ne!(tag(&photo(), limited, template), first);
    let unread = [("photo.jpg", fixture("photo.jpg")), ("other.jpg", fixture("444.jpg"))];
    assert_eq!(tag(&unread, Images::new(), template), first, "a file that no template shows");
    let set = "{% set show = picture %}{{ show('photo.jpg', alt='') }}";
    assert_ne!(tag(&photo(), Images::new(), set), tag(&unread, Images::new(), set), "it may show any file");
}

#[test]
fn what_a_template_asks_in_vain_is_an_error_that_names_it() {
    let _log = Log::start();
    for (call, named) in [
        ("picture('photo.jpg')", "alt"),
        ("picture('photo.jpg', alt='', widths=[641])", "641"),
        ("picture('photo.jpg', alt='', quality=81)", "81"),
        ("picture('photo.jpg', alt='', placeholder='grey')", "placeholder"),
        ("picture('photo.jpg', alt='', wdiths=[640])", "wdiths"),
        ("srcset('photo.jpg', alt='')", "alt"),
    ] {
        let folders = folders(&[("templates/a.html", &format!("{{{{ {call} }}}}"))]);
        folders.write("static/photo.jpg", &fixture("photo.jpg"));
        let content = folders.content().with_images(Images::new());
        let page = content.render_template("a.html", ()).unwrap();
        let error = run(CloudFront::new().respond(&http::Request::new(()), page)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Template);
        assert!(format!("{error:?}").contains(named), "{error:?}");
    }
    let folders = folders(&[("templates/a.html", "{{ picture('typo.jpg', alt='') }}")]);
    let findings = folders.content().with_images(Images::new()).check();
    assert_eq!(findings[0].to_string(), "a.html:1: there is no static file `typo.jpg`");
}
