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
