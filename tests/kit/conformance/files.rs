//! Files of an agent's working directory, which its host serves: the same in a process, a container and a pod.

use futures::TryStreamExt;
use parallax_api::Code;
use parallax_api::client::{FileContent, FileStream};
use parallax_api::files::FileKind;

use crate::backend::{TestBackend, fake};

async fn whole(stream: FileStream) -> Vec<u8> {
    let parts: Vec<_> = stream.try_collect().await.expect("all of it");
    parts.concat()
}

/// An archive with one entry, as somebody writes it who means harm.
fn archive(kind: tar::EntryType, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    let fields = header.as_gnu_mut().expect("it is one");
    fields.name[..name.len()].copy_from_slice(name.as_bytes());
    fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o6755);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, content).expect("it is in memory");
    builder.into_inner().expect("it is in memory")
}

/// A file goes in, is listed, comes out and is removed.
pub async fn a_file_goes_in_and_comes_out(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("filer", &[])).await;
    let (client, id) = (&agent.client, &agent.id);
    let odd = "an odd ü?#%2e name";
    let content: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    assert!(client.put_file(id, odd, content.clone()).await.expect("written"));
    assert!(!client.put_file(id, odd, content.clone()).await.expect("replaced"));
    let FileContent::Directory(list) = client.file(id, "").await.expect("a list") else {
        panic!("it is one")
    };
    let entry = list.entries.iter().find(|entry| entry.name == odd).expect("it is listed");
    assert_eq!((entry.kind, entry.size), (FileKind::File, 200_000));
    let FileContent::File(stream) = client.file(id, odd).await.expect("a file") else { panic!("it is one") };
    assert!(whole(stream).await == content, "it is another one");
    client.delete_file(id, odd).await.expect("removed");
    assert_eq!(client.file(id, odd).await.err().map(|problem| problem.code), Some(Code::NotFound));
    assert_eq!(client.delete_file(id, "../x").await.expect_err("it leads out").code, Code::Validation);
}

/// A directory goes in as an archive and comes out as one; what means harm does not go in.
pub async fn a_directory_goes_in_and_comes_out(backend: &impl TestBackend) {
    use tar::EntryType;
    let agent = backend.user().spawn_ready(fake("packer", &[])).await;
    let (client, id) = (&agent.client, &agent.id);
    let long = "d/".repeat(40) + "end";
    let good = archive(EntryType::Regular, &long, "", b"content");
    let unpacked = client.unpack(id, "new/place", good).await.expect("unpacked");
    assert_eq!((unpacked.files, unpacked.directories), (1, 0));
    client.put_file(id, "new/place/beside", "more").await.expect("written");
    let (stream, omitted) = client.archive(id, "new").await.expect("an archive");
    let packed = whole(stream).await;
    let mut archived = tar::Archive::new(packed.as_slice());
    let mut files = Vec::new();
    for entry in archived.entries().expect("an archive") {
        let entry = entry.expect("an entry");
        let mode = entry.header().mode().expect("a mode");
        if entry.header().entry_type().is_file() {
            assert_eq!(mode & 0o7000, 0, "no set-user-id");
            files.push(entry.path().expect("a path").to_string_lossy().into_owned());
        }
    }
    files.sort();
    assert_eq!((files, omitted), (vec!["place/beside".to_owned(), format!("place/{long}")], 0));

    for (kind, name, link) in [
        (EntryType::Regular, "../out", ""),
        (EntryType::Regular, "/tmp/out", ""),
        (EntryType::Regular, "a/../../out", ""),
        (EntryType::Symlink, "link", "/etc"),
        (EntryType::Link, "link", "/etc/passwd"),
        (EntryType::Char, "device", ""),
        (EntryType::Fifo, "pipe", ""),
    ] {
        let refused = client.unpack(id, "", archive(kind, name, link, b"")).await.expect_err(name);
        assert_eq!((refused.code, refused.status), (Code::Validation, 400), "{name}");
    }
    // Within a block of it.
    let cut = &packed[..packed.len() / 1024 * 512 + 100];
    for bad in [b"no archive", &b""[..], cut] {
        let refused = client.unpack(id, "bad", bad.to_vec()).await.expect_err("it is no archive");
        assert_eq!(refused.code, Code::Validation);
    }
    assert_eq!(client.file(id, "bad").await.err().map(|problem| problem.code), Some(Code::NotFound));
    let file = client.archive(id, "new/place/beside").await.err().expect("it is a file");
    assert_eq!(file.code, Code::Conflict);
}
