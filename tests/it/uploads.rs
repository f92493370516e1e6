//! Images that visitors send: what they are, who is told what is wrong with them, and how pages show them.

use std::fs;

use chalice_http_toolkit::{App, ContentManager, Error, ErrorKind, ImageKind, ImageLimits, Images};
use http::Response;
use lambda_http::Request;
use tower::service_fn;

use crate::{
    bombs,
    support::{Folders, Log, app, folders, get},
};

fn run<T>(test: impl Future<Output = T>) -> T {
    let _log = Log::start();
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/images/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn an_upload_is_known_by_its_bytes() {
    use ImageKind::{Avif, Gif, Heif, Jpeg, Png, Svg, Webp};
    for (name, format, size, animated, converted) in [
        ("photo.jpg", Jpeg, (1600, 1067), false, true),
        ("progressive.jpg", Jpeg, (96, 64), false, true),
        ("orientation-6.jpg", Jpeg, (96, 64), false, true),
        ("cmyk-icc.jpg", Jpeg, (96, 64), false, true),
        ("jpeg-named.gif", Jpeg, (96, 64), false, true),
        ("logo.png", Png, (320, 120), false, true),
        ("1x1.png", Png, (1, 1), false, true),
        ("animated.png", Png, (36, 24), true, false),
        ("lossless.webp", Webp, (48, 32), false, true),
        ("animated.webp", Webp, (48, 32), true, false),
        ("animated.gif", Gif, (48, 32), true, false),
        ("broken/gif-named.webp", Gif, (48, 32), true, false),
        ("still.avif", Avif, (96, 64), false, false),
        ("animated.avif", Avif, (48, 32), true, false),
        ("alpha-orientation-6.avif", Avif, (96, 64), false, false),
        ("plain.svg", Svg, (60, 40), false, false),
        ("prefixed.svg", Svg, (60, 40), false, false),
    ] {
        let info = Images::inspect(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let is = (info.format, (info.width, info.height), info.animated, info.converted);
        assert_eq!(is, (format, size, animated, converted), "{name}");
    }
    assert_ne!(Images::inspect(fixture("still.gif")).unwrap().format, Heif);
}

#[test]
fn what_is_no_image_is_refused_with_a_sentence_for_its_sender() {
    let (none, damaged) = ("the file is not an image", "the image is damaged or incomplete");
    let mut refused: Vec<(String, Vec<u8>, &str)> = Vec::new();
    for (name, expected) in [
        ("empty.jpg", none),
        ("text-named.jpg", none),
        ("html-named.png", none),
        ("zip-named.webp", none),
        ("riff-named.webp", none),
        ("executable-named.gif", none),
        ("signature.gif", damaged),
        ("header-only.gif", damaged),
        ("half.gif", damaged),
        ("no-size.gif", damaged),
        ("signature.jpg", damaged),
        ("header-only.jpg", damaged),
        ("half.jpg", damaged),
        ("no-end.jpg", damaged),
        ("half-progressive.jpg", damaged),
        ("signature.png", damaged),
        ("header-only.png", damaged),
        ("half.png", damaged),
        ("no-end.png", damaged),
        ("signature.webp", damaged),
        ("header-only.webp", damaged),
        ("half.webp", damaged),
        ("header-only.avif", damaged),
        ("half.avif", damaged),
    ] {
        refused.push((name.to_owned(), fixture(&format!("broken/{name}")), expected));
    }
    for text in ["", "GIF", "BM", "P3", "II*", "a letter", "<!doctype html>", "<html><svg/></html>", "%PDF-1.7\n"] {
        refused.push((text.to_owned(), text.into(), none));
    }
    refused.push(("GIF89a".into(), b"GIF89a".to_vec(), damaged));
    refused.push(("a canvas".into(), b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), damaged));
    for (name, bytes, expected) in refused {
        let error = Images::inspect(&bytes).map(|info| panic!("{name} is {info:?}")).unwrap_err();
        assert_eq!((error.kind(), error.status().as_u16()), (ErrorKind::Image, 400), "{name}");
        assert_eq!(error.for_visitor().as_deref(), Some(expected), "{name}");
    }
    for (limits, says) in [
        (ImageLimits::default().with_bytes(1000), "bytes, more than 1000"),
        (ImageLimits::default().with_side(100), "pixels on a side, more than 100"),
        (ImageLimits::default().with_pixels(1000), "pixels, more than 1000"),
    ] {
        let error = limits.inspect(fixture("photo.jpg")).unwrap_err();
        assert!(error.for_visitor().unwrap().ends_with(says), "{error}");
    }
    let error = ImageLimits::default().with_side(90).inspect(fixture("still.avif")).unwrap_err();
    assert_eq!(error.for_visitor().unwrap(), "the image has 96 pixels on a side, more than 90");
}

#[test]
fn no_upload_makes_it_panic() {
    for (name, bomb) in bombs::ALL {
        if let Ok(info) = Images::inspect(bomb()) {
            assert!(u64::from(info.width) * u64::from(info.height) <= 50_000_000, "{name}: {info:?}");
        }
    }
    for entry in fs::read_dir(format!("{}/tests/fixtures/images", env!("CARGO_MANIFEST_DIR"))).expect("the fixtures") {
        let path = entry.expect("an entry").path();
        let Ok(bytes) = fs::read(&path) else { continue };
        for length in (0..bytes.len().min(400)).chain((0..bytes.len()).step_by(331)) {
            if Images::inspect(&bytes[..length]).is_ok() {
                let name = path.to_string_lossy().into_owned();
                // These say all that they are in their beginning, or have nothing at their end that must be there.
                assert!(
                    [".svg", ".gif", ".bmp", "gain-map.jpg"].iter().any(|kind| name.contains(kind)),
                    "{name}, {length} bytes"
                );
            }
        }
    }
}

/// A handler that returns the error.
fn upload(bytes: &'static [u8], pages: &ContentManager) -> App {
    let service = service_fn(move |_: Request| async move {
        let answer = match Images::inspect(bytes) {
            Ok(info) => Response::new(format!("{info:?}")),
            Err(error) => Response::from(error),
        };
        Ok::<_, std::convert::Infallible>(answer)
    });
    App::new(service).with_error_pages(pages)
}

#[test]
fn a_refused_upload_is_a_400_that_says_why() {
    let folders = folders(&[("templates/error.html", "{{ status }}: {{ detail }}")]);
    let page = run(get(&upload(b"GIF89a", &folders.content()), "/").send());
    assert_eq!((page.status.as_u16(), page.text()), (400, "400: the image is damaged or incomplete"));
    let error: Error = Images::inspect(b"a letter").unwrap_err();
    assert_eq!(error.to_string(), "an image is refused: the file is not an image");
}

fn site(template: &str, images: Images) -> (Folders, ContentManager) {
    let folders = folders(&[("templates/a.html", template)]);
    folders.write("static/photo.jpg", &fixture("photo.jpg"));
    let content = folders.content().with_images(images);
    (folders, content)
}

fn page(template: &str, images: Images) -> String {
    let (_folders, content) = site(template, images);
    let page = app(move |_| content.render_template("a.html", ()).unwrap());
    let answer = run(get(&page, "/").send());
    assert_eq!(answer.status, 200, "{template}: {}", answer.text());
    answer.text().to_owned()
}

#[test]
fn a_url_of_the_sites_own_is_a_picture_by_the_size_that_is_said() {
    assert_eq!(
        page("{{ picture('/pictures/7', size=(1600, 1200), widths=[640, 1200, 3840], alt='A mug') }}", Images::new()),
        "<picture><img src=\"/pictures/7?w=1200\" srcset=\"/pictures/7?w=640 640w, /pictures/7?w=1200 1200w, \
         /pictures/7?w=3840 1600w\" sizes=\"100vw\" width=\"1600\" height=\"1200\" alt=\"A mug\" loading=\"lazy\" \
         decoding=\"async\"></picture>"
    );
    for (template, expected) in [
        ("{{ srcset('/p/7', size=[300, 200]) }}", "/p/7?w=256 256w, /p/7?w=384 300w"),
        ("{{ srcset('/p/7?v=3&a=b#x', size=(300, 9), widths=[64]) }}", "/p/7?v=3&amp;a=b&amp;w=64#x 64w"),
        ("{{ srcset('/p/é', size=(64, 9), widths=[64], quality=75) }}", "/p/%C3%A9?w=64&amp;q=75 64w"),
        ("{{ picture('/p/7', size=(9, 9), widths=[16], alt='') }}", "srcset=\"/p/7?w=16 9w\""),
        ("{% set s = (90, 60) %}{{ picture('/p/' ~ 7, size=s, alt='') }}", "width=\"90\" height=\"60\""),
    ] {
        assert!(page(template, Images::new()).contains(expected), "{template}: {}", page(template, Images::new()));
    }
    let by_path = page("{{ picture('/p/7', size=(64, 9), widths=[64], alt='') }}", Images::new().with_path_urls());
    assert!(by_path.contains("srcset=\"/p/7/w64.webp 64w\"") && by_path.contains("src=\"/p/7/w64.jpg\""), "{by_path}");
    let by_path = page("{{ picture('/p/7.png', size=(64, 9), widths=[64], alt='') }}", Images::new().with_path_urls());
    assert!(by_path.contains("src=\"/p/7.png/w64.png\""), "{by_path}");
}

#[test]
fn a_site_that_is_mounted_has_its_prefix_on_such_urls_once() {
    for url in ["'/p/7'", "url('/p/7')"] {
        let (_folders, content) = site(&format!("{{{{ srcset({url}, size=(9, 9), widths=[16]) }}}}"), Images::new());
        let page = app(move |_| content.render_template("a.html", ()).unwrap()).with_base_path("/shop");
        assert_eq!(run(get(&page, "/shop/").send()).text(), "/shop/p/7?w=16 9w", "{url}");
    }
}

/// What the pages name is there.
#[test]
fn what_a_picture_of_a_url_names_is_served() {
    let template = "{{ picture('/p/7', size=(1600, 1067), widths=[64, 256], alt='') }}";
    for images in [Images::new(), Images::new().with_path_urls()] {
        let images = images.with_time(std::time::Duration::from_secs(60));
        let markup = page(template, images.clone());
        let (_folders, content) = site("", images);
        let served = app(move |request| content.image(request.uri(), fixture("photo.jpg")).unwrap());
        let urls: Vec<&str> = markup.split(['"', ' ', ',']).filter(|word| word.starts_with("/p/7")).collect();
        assert!(urls.len() >= 3, "{markup}");
        run(async {
            for url in urls {
                let answer = get(&served, url).header("accept", "image/webp").send().await;
                let width = if url.contains("w64") || url.contains("w=64") { 64 } else { 256 };
                let info = Images::inspect(&answer.body).unwrap();
                assert_eq!((answer.status.as_u16(), info.width), (200, width), "{url}");
                assert_eq!(info.format == ImageKind::Jpeg, url.ends_with(".jpg"), "{url}");
            }
            for (url, width) in [("/p/7", 1600), ("/p/w9", 1600), ("/p/full", 1600)] {
                let answer = get(&served, url).header("accept", "image/webp").send().await;
                assert_eq!(Images::inspect(&answer.body).unwrap().width, width, "{url}");
            }
        });
    }
}

#[test]
fn what_a_template_says_of_a_url_in_vain_is_an_error() {
    for (call, named) in [
        ("picture('/p/7', alt='')", "size=(width, height)"),
        ("srcset('/p/7')", "size=(width, height)"),
        ("picture('/p/7', size=none, alt='')", "size=(width, height)"),
        ("picture('/p/7', size=(0, 9), alt='')", "size is (width, height)"),
        ("picture('/p/7', size=(9, -1), alt='')", "size is (width, height)"),
        ("picture('/p/7', size=(9.5, 1), alt='')", "size is (width, height)"),
        ("picture('/p/7', size=(9, 9, 9), alt='')", "size is (width, height)"),
        ("picture('/p/7', size='9x9', alt='')", "size is (width, height)"),
        ("picture('/p/7', size=9, alt='')", "size is (width, height)"),
        ("picture('/p/7', size=(9, 99999999999), alt='')", "size is (width, height)"),
        ("picture('//evil.example/7', size=(9, 9), alt='')", "leads off"),
        ("picture('/p/7', size=(9, 9), alt='', placeholder='blur')", "placeholder"),
        ("picture('photo.jpg', size=(9, 9), alt='')", "size=(…) is for URLs"),
    ] {
        let (_folders, content) = site(&format!("{{{{ {call} }}}}"), Images::new());
        let page = content.render_template("a.html", ()).unwrap();
        let error = run(chalice_http_toolkit::CloudFront::new().respond(&http::Request::new(()), page))
            .map(|_| call)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Template);
        assert!(format!("{error:?}").contains(named), "{call}: {error:?}");
    }
}

#[test]
fn a_check_tells_urls_from_files_that_are_missing() {
    let (_folders, content) = site(
        "{{ picture('/pictures/7', size=(1600, 1200), alt='') }}{{ picture('photo.jpg', alt='') }}\n\
         {{ picture('pictures/7', alt='') }}\n\
         {{ srcset('/p/' ~ id, size=size) }}{{ picture('/p/8', **options) }}\n\
         {{ picture('/p/9', alt='') }}\n\
         {{ static('/photo.jpg') }}\n\
         {{ picture('/p/7' if x else 'typo.jpg', size=size, alt='') }}",
        Images::new(),
    );
    let findings: Vec<String> = content.check().iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        [
            "a.html:2: there is no static file `pictures/7`",
            "a.html:4: the image at `/p/9` needs size=(width, height)",
            "a.html:5: there is no static file `/photo.jpg`",
            "a.html:6: there is no static file `typo.jpg`",
        ]
    );
}

/// Of what a page depends on: the size, the URL and the settings, and no file.
#[test]
fn a_picture_of_a_url_makes_a_page_depend_on_no_file() {
    let tag = |template: &str, arguments: serde_json::Value, images: Images, files: &[&str]| {
        let (folders, _) = site(template, images.clone());
        files.iter().for_each(|name| folders.write(&format!("static/{name}"), &fixture("444.jpg")));
        let content = folders.content().with_images(images);
        content.explain("a.html", &arguments).unwrap()
    };
    let seven = serde_json::json!({ "url": "/p/7", "width": 90, "size": [90, 60], "id": 7 });
    for (template, depends) in [
        ("{{ picture('/p/7', size=(90, 60), alt='') }}", false),
        ("{{ picture('/p/' ~ id, size=size, alt='') }}", false),
        ("{{ picture(url, size=(width, 60), alt='') }}", false),
        ("{{ picture(url, size=[width, 60], alt='') }}", false),
        // It may be `none`, and the other a file.
        ("{{ picture(url, size=size, alt='') }}", true),
        ("{{ picture(url, alt='', **{'size': size}) }}", true),
    ] {
        let before = tag(template, seven.clone(), Images::new(), &[]);
        let after = tag(template, seven.clone(), Images::new(), &["other.jpg"]);
        assert_eq!(!before.changes(&after).is_empty(), depends, "{template}");
        let other = tag(template, seven.clone(), Images::new().with_widths([64]), &[]);
        assert!(!before.changes(&other).is_empty(), "{template}");
    }
    let wider = serde_json::json!({ "url": "/p/7", "width": 91, "size": [90, 60], "id": 7 });
    let template = "{{ picture(url, size=(width, 60), alt='') }}";
    let changes = tag(template, seven, Images::new(), &[]).changes(&tag(template, wider, Images::new(), &[]));
    assert_eq!(changes, ["args.width"]);
}

/// Formats that browsers are seldom sent, as files and as uploads.
#[test]
fn other_formats_are_shown_as_any_image() {
    use chalice_http_toolkit::image::{DynamicImage, ImageFormat, RgbImage};
    let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(200, 120, |x, y| {
        chalice_http_toolkit::image::Rgb([(x * 255 / 200) as u8, (y * 255 / 120) as u8, ((x * y) % 97) as u8])
    }));
    let written = |format| {
        let mut file = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut file, format).unwrap();
        file.into_inner()
    };
    let folders = folders(&[]);
    // Who names no modern format gets what every browser shows as it is, and the rest as what it holds.
    for (name, format, kind, old) in [
        ("a.gif", ImageFormat::Gif, ImageKind::Gif, "image/gif"),
        ("a.bmp", ImageFormat::Bmp, ImageKind::Bmp, "image/bmp"),
        ("a.tiff", ImageFormat::Tiff, ImageKind::Tiff, "image/jpeg"),
        ("a.qoi", ImageFormat::Qoi, ImageKind::Qoi, "image/jpeg"),
        ("a.ppm", ImageFormat::Pnm, ImageKind::Pnm, "image/jpeg"),
    ] {
        let bytes = written(format);
        folders.write(&format!("static/{name}"), &bytes);
        let content = folders.content().with_images(Images::new().with_time(std::time::Duration::from_secs(60)));
        let info = Images::inspect(&bytes).unwrap();
        assert_eq!((info.format, info.width, info.height, info.converted), (kind, 200, 120, true), "{name}");
        let files = crate::support::files_app(&content);
        let code = app(move |request| content.image(request.uri(), bytes.clone()).unwrap());
        run(async {
            for (app, url) in [(&files, format!("/static/{name}")), (&code, "/picture".to_owned())] {
                for (query, accept, expected, width) in [
                    ("", "image/webp,*/*", "image/webp", 200),
                    ("?w=64", "image/webp,*/*", "image/webp", 64),
                    ("?w=64", "*/*", if name == "a.gif" { "image/png" } else { "image/jpeg" }, 64),
                    ("?w=640", "*/*", old, 200),
                    ("", "*/*", old, 200),
                    ("", "image/png", "image/png", 200),
                    ("?fmt=jpg", "*/*", "image/jpeg", 200),
                ] {
                    let url = format!("{url}{query}");
                    let answer = get(app, &url).header("accept", accept).send().await;
                    assert_eq!(
                        (answer.status.as_u16(), answer.line("content-type")),
                        (200, expected),
                        "{url} {accept}"
                    );
                    assert_eq!(Images::inspect(&answer.body).unwrap().width, width, "{url} {accept}");
                    let tag = answer.line("etag").to_owned();
                    let again = get(app, &url).header("accept", accept).header("if-none-match", &tag).send().await;
                    assert_eq!(again.status, 304, "{url} {accept}");
                    assert_eq!(answer.header("vary"), if query.contains("fmt") { "" } else { "accept" }, "{url}");
                }
                assert_eq!(get(app, &format!("{url}?w=65")).send().await.status, 400);
            }
        });
    }
    let content = folders.content().with_images(Images::new().with_widths([64]));
    assert_eq!(content.check(), []);
    assert_eq!(Images::new().with_widths([64]).prebuild(folders.path().join("static")).unwrap().images, 5);
    let page = content.render_template("a.html", ()).map(|_| ());
    assert!(page.is_err());
}

/// Several pictures, of which a browser takes one: it is one picture only where a width or a format is asked for.
#[test]
fn an_icon_stays_one_unless_more_is_asked_for() {
    let (folders, content) = site("{{ picture('favicon.ico', alt='', widths=[16]) }}", Images::new());
    folders.write("static/favicon.ico", &fixture("icon.ico"));
    let content = folders.content().with_images(content_images(&content));
    let files = crate::support::files_app(&content);
    run(async {
        for (url, expected, vary) in [
            ("/static/favicon.ico", "image/vnd.microsoft.icon", ""),
            ("/static/favicon.ico?v=2", "image/vnd.microsoft.icon", ""),
            ("/static/favicon.ico?w=16", "image/webp", "accept"),
            ("/static/favicon.ico?fmt=png", "image/png", ""),
            ("/static/favicon.ico/w16.webp", "image/webp", ""),
        ] {
            let answer = get(&files, url).header("accept", "image/webp,*/*").send().await;
            assert_eq!((answer.status.as_u16(), answer.line("content-type")), (200, expected), "{url}");
            assert_eq!(answer.header("vary"), vary, "{url}");
        }
        assert_eq!(get(&files, "/static/favicon.ico/other").send().await.status, 404);
    });
    let page = app(move |_| content.render_template("a.html", ()).unwrap());
    let shown = run(get(&page, "/").send());
    assert!(shown.text().contains("?w=16 16w") && shown.text().contains("width=\"32\""), "{}", shown.text());
}

fn content_images(_: &ContentManager) -> Images {
    Images::new().with_time(std::time::Duration::from_secs(60))
}

/// What begins like an image and is a text stays a text.
#[test]
fn a_text_is_no_image_by_its_first_letters() {
    let folders = folders(&[
        ("static/bmw.txt", "BMW builds cars in Munich and elsewhere."),
        ("static/p3.txt", "P3 is a station in the north, and P4 another."),
        ("static/gif.txt", "GIF is a format."),
        ("static/qoi.txt", "qoif"),
    ]);
    let files = crate::support::files_app(&folders.content().with_images(Images::new()));
    run(async {
        for name in ["bmw", "p3", "gif", "qoi"] {
            let answer = get(&files, &format!("/static/{name}.txt?v=2")).send().await;
            assert_eq!((answer.status.as_u16(), answer.header("vary")), (200, ""), "{name}");
            assert_eq!(answer.line("content-type"), "text/plain; charset=utf-8");
        }
    });
}

#[test]
fn a_gif_tells_nothing_of_who_made_it_and_an_animation_moves_on() {
    let folders = folders(&[]);
    for name in ["still.gif", "animated.gif"] {
        folders.write(&format!("static/{name}"), &fixture(name));
    }
    let content = folders.content().with_images(Images::new());
    let files = crate::support::files_app(&content);
    run(async {
        assert!(fixture("still.gif").windows(13).any(|window| window == b"MUST-NOT-LEAK"));
        let still = get(&files, "/static/still.gif").header("accept", "*/*").send().await;
        assert_eq!(still.line("content-type"), "image/gif");
        assert!(!still.body.windows(13).any(|window| window == b"MUST-NOT-LEAK"));
        assert_eq!(Images::inspect(&still.body).unwrap(), Images::inspect(fixture("still.gif")).unwrap());
        for url in ["/static/animated.gif", "/static/animated.gif?v=2", "/static/animated.gif?w=16"] {
            let moving = get(&files, url).header("accept", "image/webp").send().await;
            assert_eq!((moving.status.as_u16(), moving.header("vary")), (200, ""), "{url}");
            assert_eq!(moving.body, fixture("animated.gif"));
        }
    });
}

#[test]
fn a_drawn_image_is_negotiated_and_tagged_before_it_is_drawn() {
    use chalice_http_toolkit::{
        BoxError, CloudFront,
        image::{DynamicImage, Rgb, RgbImage},
    };
    use http::Request;
    let drawing = || DynamicImage::ImageRgb8(RgbImage::from_pixel(300, 100, Rgb([30, 90, 160])));
    let photo = || {
        chalice_http_toolkit::image::DynamicImage::ImageRgb8(RgbImage::from_fn(300, 100, |x, y| {
            Rgb([(x * 7 % 251) as u8, (y * 11 % 241) as u8, ((x * y) % 239) as u8])
        }))
    };
    let content =
        ContentManager::new(chalice_http_toolkit::Embedded::new(&[]), chalice_http_toolkit::Embedded::new(&[]));
    let content = content.unwrap().with_images(Images::new().with_time(std::time::Duration::from_secs(60)));
    run(async {
        let ask = async |version: &'static str, url: &str, fields: &[(&str, &str)], image: Option<DynamicImage>| {
            let mut request = Request::get(url);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            let etag = async || Ok::<_, BoxError>(Some(version));
            let draw = async move || Ok::<_, BoxError>(image.expect("nothing is drawn"));
            let image = content.dynamic_image(request.uri(), etag, draw).await.unwrap();
            CloudFront::new().respond(&request, image).await
        };
        for (image, url, accept, expected) in [
            (drawing(), "/chart?w=64", "image/webp", "image/webp"),
            (drawing(), "/chart", "image/webp", "image/webp"),
            (drawing(), "/chart", "*/*", "image/png"),
            (photo(), "/chart", "*/*", "image/jpeg"),
            (photo(), "/chart", "image/png", "image/png"),
            (photo(), "/chart?fmt=jpg", "image/webp", "image/jpeg"),
        ] {
            let answer = ask("1", url, &[("accept", accept)], Some(image)).await.unwrap();
            assert_eq!(answer.status(), 200, "{url} {accept}");
            assert_eq!(answer.headers()["content-type"], expected, "{url} {accept}");
            assert_eq!(answer.headers().contains_key("vary"), !url.contains("fmt"), "{url}");
            let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
            let held = [("accept", accept), ("if-none-match", tag.as_str())];
            assert_eq!(ask("1", url, &held, None).await.unwrap().status(), 304, "{url} {accept}");
            assert_eq!(ask("2", url, &held, Some(drawing())).await.unwrap().status(), 200, "{url} {accept}");
        }
        assert_eq!(ask("1", "/chart?w=65", &[], None).await.unwrap().status(), 400);
        let empty = ask("3", "/chart", &[], Some(DynamicImage::new_rgb8(0, 0))).await.unwrap_err();
        assert_eq!((empty.kind(), empty.status().as_u16()), (ErrorKind::Image, 500));
        let large = ask("3", "/chart", &[], Some(DynamicImage::new_luma8(20_000, 1))).await.unwrap_err();
        assert_eq!(large.kind(), ErrorKind::Image);
        let request = Request::get("/chart").body(()).unwrap();
        let failing = async || Err::<DynamicImage, BoxError>("no numbers".into());
        let etag = async || Ok::<_, BoxError>(Some("4"));
        let image = content.dynamic_image(request.uri(), etag, failing).await.unwrap();
        assert_eq!(CloudFront::new().respond(&request, image).await.unwrap_err().kind(), ErrorKind::Asset);
        let none = async || Ok::<Option<String>, BoxError>(None);
        let image = content.dynamic_image(request.uri(), none, async || unreachable!("there is none")).await.unwrap();
        assert_eq!(CloudFront::new().respond(&request, image).await.unwrap().status(), 404);
        for (image, accept, expected) in [
            (drawing(), "image/webp", "image/webp"),
            (photo(), "*/*", "image/jpeg"),
            (drawing(), "image/png", "image/png"),
        ] {
            let converted =
                content.convert_by_accept(image, accept, chalice_http_toolkit::ImageFormat::Jpeg).await.unwrap();
            assert_eq!((converted.media_type, converted.width, converted.height), (expected, 300, 100));
        }
    });
}
