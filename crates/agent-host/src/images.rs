//! The images of messages, as files that the CLI reads: in the agent's own directory, readable by its user only, and gone
//! with it. Each message has a directory of its own there; the names are this program's.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::SystemTime;

use parallax_api::message::image::decode_all;
use parallax_api::message::{ImageInput, ImageType, MessageImage};
use parallax_api::{Code, Problem};

use crate::regular_file;

/// Bytes of images that are kept. The oldest go first, but not those of messages that have not ended.
const MAX_KEPT_BYTES: u64 = 64 * 1024 * 1024;
/// The longest id of a message.
const MAX_ID: usize = 100;

/// Where the images of an agent's messages are.
#[derive(Clone, Debug)]
pub struct Images {
    dir: PathBuf,
}

impl Images {
    /// Images in this directory, which need not be there.
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Makes the directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)
    }

    /// The file of an image of a message; `number` counts from one.
    pub fn path(&self, message: &str, number: usize, media_type: ImageType) -> PathBuf {
        self.dir.join(message).join(format!("{number}.{}", media_type.extension()))
    }

    /// Writes the images of a message, and says what they are. Fails with `VALIDATION_ERROR`, or with `RESOURCE_LIMIT` when
    /// messages that have not ended (`is_open`) hold too much.
    pub fn keep(
        &self,
        message: &str,
        images: &[ImageInput],
        is_open: impl Fn(&str) -> bool,
    ) -> Result<Vec<MessageImage>, Problem> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=MAX_ID).contains(&message.len()) || !message.bytes().all(is_name) {
            return Err(Problem::invalid("messageId", "letters, digits and dashes"));
        }
        let decoded = decode_all(images)?;
        let new: u64 = decoded.iter().map(|bytes| bytes.len() as u64).sum();
        let unwritten =
            |error: io::Error| Problem::internal(format!("the images cannot be written: {error}"));
        if !self.make_room(new, is_open).map_err(unwritten)? {
            let detail =
                "the images of the messages that wait are too many; send this one when some are answered";
            return Err(Problem::new(Code::ResourceLimit, detail));
        }
        let mut described = Vec::new();
        for ((image, bytes), number) in images.iter().zip(&decoded).zip(1..) {
            if let Err(error) = self.write(message, number, image.media_type, bytes) {
                // What was written of them is of no use, and the disk may be full.
                self.remove(message);
                return Err(unwritten(error));
            }
            described.push(image.described(bytes.len(), number));
        }
        Ok(described)
    }

    /// Removes the images of a message.
    pub fn remove(&self, message: &str) {
        if let Err(error) = fs::remove_dir_all(self.dir.join(message))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the images of a message could not be removed");
        }
    }

    fn write(&self, message: &str, number: usize, media_type: ImageType, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(message, number, media_type);
        DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(&self.dir))?;
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        regular_file::open(&mut options, &path)?.write_all(bytes)
    }

    /// Removes the oldest images until so many bytes more may be kept, and says whether they may.
    fn make_room(&self, new: u64, is_open: impl Fn(&str) -> bool) -> io::Result<bool> {
        let mut kept = self.kept()?;
        kept.sort_by_key(|message| message.written);
        let mut bytes: u64 = kept.iter().map(|message| message.bytes).sum();
        for message in kept.iter().filter(|message| !is_open(&message.id)) {
            if bytes + new <= MAX_KEPT_BYTES {
                break;
            }
            self.remove(&message.id);
            bytes -= message.bytes;
        }
        Ok(bytes + new <= MAX_KEPT_BYTES)
    }

    fn kept(&self) -> io::Result<Vec<KeptImages>> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            // The agent may have put something else there.
            if !metadata.is_dir() {
                continue;
            }
            let files = fs::read_dir(entry.path())?;
            let bytes = files.map(|file| Ok(file?.metadata()?.len())).sum::<io::Result<u64>>()?;
            let written = metadata.modified()?;
            kept.push(KeptImages { id: entry.file_name().to_string_lossy().into_owned(), bytes, written });
        }
        Ok(kept)
    }
}

/// The images of one message.
struct KeptImages {
    id: String,
    bytes: u64,
    written: SystemTime,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn png(bytes: usize) -> ImageInput {
        let mut png = b"\x89PNG\r\n\x1a\n....IEND....".to_vec();
        png.resize(bytes, b'.');
        ImageInput::of(&png, Some("../shot.png".into())).unwrap()
    }

    #[test]
    fn images_are_private_files_of_their_message() {
        let root = tempfile::tempdir().unwrap();
        let images = Images::at(root.path().join("own/images"));
        images.make().unwrap();
        let kept = images.keep("m-1", &[png(100), png(200)], |_| false).unwrap();
        assert_eq!(kept[1], MessageImage { name: "shot.png".into(), media_type: ImageType::Png, size: 200 });
        let file = images.path("m-1", 2, ImageType::Png);
        assert_eq!(file, root.path().join("own/images/m-1/2.png"));
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        for id in ["", "..", "a/b", "m 1"] {
            assert_eq!(images.keep(id, &[png(100)], |_| false).unwrap_err().code, Code::Validation, "{id}");
        }
        images.remove("m-1");
        images.remove("m-1");
        assert_eq!(fs::read_dir(root.path().join("own/images")).unwrap().count(), 0);
    }

    #[test]
    fn the_oldest_make_room_unless_they_are_awaited() {
        let root = tempfile::tempdir().unwrap();
        let images = Images::at(root.path().into());
        let large = png(4 * 1024 * 1024);
        for number in 0..16 {
            images.keep(&format!("m-{number}"), std::slice::from_ref(&large), |_| true).unwrap();
        }
        let refused = images.keep("m-16", std::slice::from_ref(&large), |_| true).unwrap_err();
        assert_eq!(refused.code, Code::ResourceLimit);
        images.keep("m-16", std::slice::from_ref(&large), |id| id != "m-3").unwrap();
        assert!(!root.path().join("m-3").exists());
        assert!(root.path().join("m-2").exists() && root.path().join("m-16").exists());
    }
}
