//! `install.sh`: what it refuses, and installing over what is there. Below a prefix of the test's own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use parallax_testkit::local::Directory;

use crate::{artefact, dist};

fn archive() -> PathBuf {
    artefact("parallax-", &format!("{}-unknown-linux-gnu.tar.gz", std::env::consts::ARCH))
}

fn install(dir: &Path, args: &[&str]) -> Output {
    let script = dist().join("install.sh");
    let mut command = Command::new("sh");
    command.arg(script).args(["--prefix", "prefix"]).args(args).current_dir(dir);
    command.output().expect("sh can be run")
}

#[track_caller]
fn refused(dir: &Path, args: &[&str], why: &str) {
    let ran = install(dir, args);
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success() && error.contains(why), "{args:?}: {error}");
    let left: Vec<_> = files(&dir.join("prefix"));
    assert!(left.iter().all(|path| !path.contains("bin/parallax")), "{args:?}: {left:?}");
}

/// Everything below a directory, relative to it.
fn files(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        }
        found.push(name);
    }
    found.sort();
    found
}

/// Packs what `make` makes in a directory; gives its checksum.
fn packed(dir: &Path, name: &str, make: &str) -> String {
    let script = format!(
        "set -eu; rm -rf made; mkdir -p made/top/bin; cd made; printf '#!/bin/sh\\necho parallax 9.9.9\\n' >top/bin/parallax; \
         chmod 755 top/bin/parallax; {make}; cd ..; sha256sum {name}"
    );
    let ran = Command::new("sh").args(["-c", &script]).current_dir(dir).output().expect("sh can be run");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).split(' ').next().expect("a checksum").to_owned()
}

#[test]
#[ignore = "needs packages: make test-dist"]
fn what_does_not_fit_its_checksum_is_not_installed() {
    let directory = Directory::new();
    let dir = directory.path();
    let (name, copy) = (archive(), dir.join("parallax-copy.tar.gz"));
    fs::copy(&name, &copy).expect("it can be copied");
    refused(dir, &["parallax-copy.tar.gz"], "no SHA256SUMS beside");
    fs::write(dir.join("SHA256SUMS"), format!("{}  another.tar.gz\n", "0".repeat(64))).expect("written");
    refused(dir, &["parallax-copy.tar.gz"], "no line for parallax-copy.tar.gz");
    fs::write(dir.join("SHA256SUMS"), format!("{}  parallax-copy.tar.gz\n", "0".repeat(64)))
        .expect("written");
    refused(dir, &["./parallax-copy.tar.gz"], "damaged, or not ours");
    refused(dir, &["--sha256", "abc", "parallax-copy.tar.gz"], "damaged, or not ours");
    refused(dir, &["http://127.0.0.1:9/parallax.tar.gz"], "anybody on the way");
    refused(dir, &["--uninstall"], "nothing is installed");
    refused(dir, &["parallax-none.tar.gz"], "there is no file");
}

#[test]
#[ignore = "needs packages: make test-dist"]
fn hostile_archives_are_refused() {
    let directory = Directory::new();
    let dir = directory.path();
    for (make, why) in [
        ("touch out; tar -czPf ../a.tar.gz top top/../out", "a path out of itself"),
        ("ln -s /etc top/bin/link; tar -czf ../a.tar.gz top", "neither file nor directory"),
        ("ln top/bin/parallax top/bin/other; tar -czf ../a.tar.gz top", "neither file nor directory"),
        ("rm top/bin/parallax; tar -czf ../a.tar.gz top", "no bin/parallax in it"),
        (
            "printf '#!/bin/sh\\nexit 126\\n' >top/bin/parallax; tar -czf ../a.tar.gz top",
            "do not run on this machine",
        ),
        ("echo text >../a.tar.gz", "is no archive"),
    ] {
        let sum = packed(dir, "a.tar.gz", make);
        refused(dir, &["--sha256", &sum, "a.tar.gz"], why);
    }
    assert_eq!(files(&dir.join("prefix")), Vec::<String>::new());
}

#[test]
#[ignore = "needs packages: make test-dist"]
fn what_is_installed_is_replaced_and_what_is_not_ours_stays() {
    let directory = Directory::new();
    let dir = directory.path();
    let mine = dir.join("prefix/bin/mine");
    fs::create_dir_all(mine.parent().expect("a directory")).expect("made");
    fs::write(&mine, "mine").expect("written");
    // An older version with a file that the next one has no more.
    let sum = packed(
        dir,
        "old.tar.gz",
        "mkdir -p top/share/old/deep; touch top/share/old/deep/file; tar -czf ../old.tar.gz top",
    );
    let done = install(dir, &["--sha256", &sum.to_uppercase(), "old.tar.gz"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(dir.join("prefix/share/old/deep/file").exists());
    let done = install(dir, &[&archive().to_string_lossy()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!dir.join("prefix/share/old").exists(), "what the new one has no more is gone");
    let version = Command::new(dir.join("prefix/bin/parallax")).arg("--version").output().expect("it runs");
    assert!(!String::from_utf8_lossy(&version.stdout).contains("9.9.9"));
    let done = install(dir, &["--uninstall"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(files(&dir.join("prefix")), ["bin", "bin/mine"], "what was there before is all that is there");

    // A program of that name that was not installed by this.
    fs::write(dir.join("prefix/bin/parallax"), "another").expect("written");
    let ran = install(dir, &["--sha256", &sum, "old.tar.gz"]);
    assert!(String::from_utf8_lossy(&ran.stderr).contains("did not write it"));
    assert_eq!(fs::read_to_string(dir.join("prefix/bin/parallax")).expect("it is there"), "another");
    // A record that was meddled with.
    let record = dir.join("prefix/share/parallax/installed-files");
    fs::create_dir_all(record.parent().expect("a directory")).expect("made");
    for line in ["share/../../victim", "/etc/passwd", "../victim", "etc/x"] {
        fs::write(&record, format!("bin/mine\n{line}\n")).expect("written");
        let ran = install(dir, &["--uninstall"]);
        assert!(!ran.status.success() && mine.exists(), "{line}");
    }
}

#[test]
#[ignore = "needs packages: make test-dist"]
fn an_address_is_fetched_and_checked() {
    let directory = Directory::new();
    let dir = directory.path();
    let sum = packed(dir, "a.tar.gz", "tar -czf ../a.tar.gz top");
    let archive = fs::read(dir.join("a.tar.gz")).expect("it is there");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/a.tar.gz", listener.local_addr().expect("an address"));
    let serving = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for _ in 0..2 {
            let (mut client, _) = listener.accept().expect("a client");
            let asked = client.read(&mut [0; 4096]).expect("a request");
            assert!(asked > 0);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", archive.len());
            client.write_all(head.as_bytes()).expect("it reads");
            client.write_all(&archive).expect("it reads");
        }
    });
    refused(dir, &["--sha256", &"0".repeat(64), &url], "damaged, or not ours");
    let done = install(dir, &["--sha256", &sum, &url]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(dir.join("prefix/bin/parallax").exists());
    serving.join().expect("it was asked twice");
}
