//! Files of an agent's working directory over the API, through a control plane.

use std::fs;
use std::os::unix::fs::symlink;

use parallax_api::SpawnRequest;
use parallax_testkit::backend::fake;
use parallax_testkit::local::Directory;
use parallax_testkit::parallax::parallax;
use parallax_testkit::up::Up;
use parallax_testkit::wait::{PATIENCE, until};
use reqwest::{Method, Response, StatusCode};

/// Listed, read in part and whole, written, replaced, removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_an_agent() {
    let directory = Directory::new();
    let up = Up::start(&directory, &[]).await;
    let work = directory.path().join("work");
    fs::create_dir_all(work.join("a dir")).expect("made");
    fs::write(work.join("a dir/text.txt"), "0123456789").expect("written");
    symlink("/etc", work.join("out")).expect("linked");
    symlink("a dir", work.join("within")).expect("linked");
    let workdir = work.canonicalize().expect("it is there").to_string_lossy().into_owned();
    let agent = up.user().spawn_ready(SpawnRequest { workdir: Some(workdir), ..fake("filer", &[]) }).await;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}/api/managed-agents/{}", up.server.url(), agent.id);
    let call = async |method: Method, path: &str, range: Option<&str>, content: &str| -> Response {
        let mut request = http.request(method, format!("{url}{path}")).body(content.to_owned());
        if let Some(range) = range {
            request = request.header("range", range);
        }
        request.send().await.expect("an answer")
    };
    let get = async |path: &str| call(Method::GET, path, None, "").await;

    let list: serde_json::Value = get("/files").await.json().await.expect("a list");
    let names: Vec<_> =
        list["entries"].as_array().expect("entries").iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names, ["a dir", "out", "within"]);
    assert_eq!(list["entries"][1]["kind"], "link");
    let inner: serde_json::Value = get("/files/within/").await.json().await.expect("a list");
    assert_eq!(
        (&inner["entries"][0]["name"], &inner["entries"][0]["size"]),
        (&"text.txt".into(), &10.into())
    );

    let whole = get("/files/a%20dir/text.txt").await;
    assert_eq!(
        (whole.status(), &whole.headers()["content-type"]),
        (StatusCode::OK, &"application/octet-stream".parse().expect("a value"))
    );
    assert_eq!(whole.text().await.expect("text"), "0123456789");
    let part = call(Method::GET, "/files/a%20dir/text.txt", Some("bytes=2-4"), "").await;
    assert_eq!(
        (part.status(), &part.headers()["content-range"]),
        (StatusCode::PARTIAL_CONTENT, &"bytes 2-4/10".parse().expect("a value"))
    );
    assert_eq!(part.text().await.expect("text"), "234");
    let beyond = call(Method::GET, "/files/a%20dir/text.txt", Some("bytes=10-"), "").await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let put = async |path: &str, content: &str| call(Method::PUT, path, None, content).await.status();
    assert_eq!(put("/files/a%20dir/n%C3%A9w", "one").await, StatusCode::CREATED);
    assert_eq!(put("/files/a%20dir/n%C3%A9w", "two").await, StatusCode::NO_CONTENT);
    assert_eq!(fs::read_to_string(work.join("a dir/néw")).expect("it is there"), "two");
    assert_eq!(put("/files/large", &"x".repeat(8 * 1024 * 1024 + 1)).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!work.join("large").exists());
    let delete = async |path: &str| call(Method::DELETE, path, None, "").await.status();
    assert_eq!(delete("/files/a%20dir").await, StatusCode::CONFLICT);
    assert_eq!(delete("/files/a%20dir/n%C3%A9w").await, StatusCode::NO_CONTENT);
    assert_eq!(delete("/files/a%20dir/n%C3%A9w").await, StatusCode::NOT_FOUND);

    // Nothing leads out.
    for path in ["/files/out/passwd", "/files/out"] {
        assert_eq!(get(path).await.status(), StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(put("/files/out/new", "x").await, StatusCode::BAD_REQUEST);
    assert_eq!(delete("/files/out/passwd").await, StatusCode::BAD_REQUEST);
    for path in
        ["/files/a%2f..%2f..%2fx", "/files/x%2f..%2f..%2f..%2fsend", "/files/%2fetc%2fpasswd", "/files/a%00b"]
    {
        assert_eq!(get(path).await.status(), StatusCode::BAD_REQUEST, "{path}");
    }
    agent.stop().await;
    // The host serves them until its agent is collected.
    until("the host to go with its agent", PATIENCE, async || match get("/files").await.status() {
        StatusCode::CONFLICT => Ok(()),
        status => Err(status),
    })
    .await;
}

/// `parallax files`, as a person runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_on_the_command_line() {
    let directory = Directory::new();
    let up = Up::start(&directory, &[]).await;
    let work = directory.path().join("work");
    fs::create_dir_all(work.join("src")).expect("made");
    fs::write(work.join("src/one"), "1").expect("written");
    symlink("/etc", work.join("src/out")).expect("linked");
    let workdir = work.canonicalize().expect("it is there").to_string_lossy().into_owned();
    let agent = up.user().spawn_ready(SpawnRequest { workdir: Some(workdir), ..fake("filer", &[]) }).await;
    let url = up.server.url();
    let here = |name: &str| directory.path().join(name).to_string_lossy().into_owned();

    let listed = parallax(&url, &["files", "ls", "filer", "src"]).await.succeeded();
    assert!(listed.out.contains("one") && listed.out.contains("link"), "{listed:?}");
    assert_eq!(parallax(&url, &["files", "get", "filer", "src/one"]).await.succeeded().out, "1");
    fs::write(here("two"), "2").expect("written");
    parallax(&url, &["files", "put", "filer", &here("two"), "src/two"]).await.succeeded();
    assert_eq!(fs::read_to_string(work.join("src/two")).expect("it is there"), "2");

    let packed = here("src.tar");
    let got = parallax(&url, &["files", "get", "filer", "src", "--tar", "-o", &packed]).await.succeeded();
    assert!(got.err.contains("1 not in the archive"), "{got:?}");
    parallax(&url, &["files", "put", "filer", &packed, "copy", "--tar"]).await.succeeded();
    assert_eq!(fs::read_to_string(work.join("copy/two")).expect("it is there"), "2");
    assert!(work.join("copy/out").symlink_metadata().is_err());

    parallax(&url, &["files", "rm", "filer", "copy/two"]).await.succeeded();
    assert!(!work.join("copy/two").exists());
    let gone = parallax(&url, &["files", "get", "filer", "copy/two", "-o", &here("not")]).await;
    assert!(gone.code != 0 && !directory.path().join("not").exists(), "{gone:?}");
    let out = parallax(&url, &["files", "get", "filer", "src/out/passwd"]).await;
    assert_eq!((out.code, out.out.as_str()), (2, ""), "{out:?}");
    let directory = parallax(&url, &["files", "get", "filer", "src"]).await;
    assert!(directory.code == 2 && directory.err.contains("--tar"), "{directory:?}");
    agent.stop().await;
}
