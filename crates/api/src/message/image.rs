//! Images that go with a message.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use crate::text::plain_start;

/// Images of one message at most.
pub const MAX_IMAGES: usize = 8;
/// Bytes of the images of one message together, decoded: with a long message they fit in the body of a request.
pub const MAX_IMAGE_BYTES: usize = 5 * 1024 * 1024;
/// Characters of an image's name; what is longer is cut.
const MAX_NAME: usize = 100;

/// The kinds of images that models take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ImageType {
    /// PNG.
    #[serde(rename = "image/png")]
    Png,
    /// JPEG.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// GIF.
    #[serde(rename = "image/gif")]
    Gif,
    /// WebP.
    #[serde(rename = "image/webp")]
    Webp,
}

impl ImageType {
    /// What these bytes begin as; `None` when it is none of these.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    /// The end of a file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }

    /// As the wire has it: `image/png`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }

    /// Whether the image has its end: CLIs take one that was cut off, and drop it without a word. Of GIFs it is not known.
    fn is_whole(self, bytes: &[u8]) -> bool {
        match self {
            // Programs may add something behind.
            Self::Png => bytes.windows(4).any(|four| four == b"IEND"),
            Self::Jpeg => bytes.windows(2).any(|two| two == [0xff, 0xd9]),
            Self::Webp => {
                let length = bytes.get(4..8).and_then(|four| <[u8; 4]>::try_from(four).ok());
                length.is_some_and(|length| u32::from_le_bytes(length) as usize + 8 <= bytes.len())
            }
            Self::Gif => true,
        }
    }
}

/// An image that is sent with a message.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageInput {
    /// What it is; its bytes must begin so.
    pub media_type: ImageType,
    /// Its bytes in Base64 (RFC 4648, section 4, padded). All images of a message have at most 5 MiB together.
    #[schema(content_encoding = "base64")]
    pub data: String,
    /// What people call it: the name of a file, without directories. Default: its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Without the bytes: requests are logged.
impl fmt::Debug for ImageInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageInput")
            .field("media_type", &self.media_type)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ImageInput {
    /// The image of these bytes; `None` when they are none of [`ImageType`].
    pub fn of(bytes: &[u8], name: Option<String>) -> Option<Self> {
        Some(Self { media_type: ImageType::of(bytes)?, data: STANDARD.encode(bytes), name })
    }

    /// Its bytes. Fails with `VALIDATION_ERROR` when they are no Base64, not of its type, or not all there; `number`, from
    /// one, says which image it is.
    pub fn decode(&self, number: usize) -> Result<Vec<u8>, Problem> {
        let at = format!("images[{}]", number - 1);
        // Four characters are three bytes: what is too long is not decoded.
        if self.data.len() > MAX_IMAGE_BYTES.div_ceil(3) * 4 {
            return Err(too_many_bytes());
        }
        let bytes = STANDARD.decode(&self.data);
        let bytes = bytes.map_err(|_| Problem::invalid(&format!("{at}.data"), "Base64 with its padding"))?;
        let media_type = self.media_type.as_str();
        if ImageType::of(&bytes) != Some(self.media_type) {
            return Err(Problem::invalid(
                &format!("{at}.mediaType"),
                format!("the bytes are no {media_type}"),
            ));
        }
        if !self.media_type.is_whole(&bytes) {
            return Err(Problem::invalid(&format!("{at}.data"), format!("the {media_type} has no end")));
        }
        Ok(bytes)
    }

    /// What a conversation says of it, with its size in bytes; `number`, from one, is its name when it has none.
    pub fn described(&self, size: usize, number: usize) -> MessageImage {
        // A name from anywhere may be a path, of whatever system.
        let name = self.name.as_deref().unwrap_or_default();
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = plain_start(name, MAX_NAME);
        let name = match name.trim() {
            "" | "." | ".." => format!("image-{number}.{}", self.media_type.extension()),
            name => name.to_owned(),
        };
        MessageImage { name, media_type: self.media_type, size }
    }
}

/// An image that a message has: what it is, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageImage {
    /// What people call it.
    pub name: String,
    /// What it is.
    pub media_type: ImageType,
    /// Its bytes.
    pub size: usize,
}

/// The images of a message, decoded, in order. Fails with `VALIDATION_ERROR` naming the field.
pub fn decode_all(images: &[ImageInput]) -> Result<Vec<Vec<u8>>, Problem> {
    if images.len() > MAX_IMAGES {
        return Err(Problem::invalid("images", format!("a message has at most {MAX_IMAGES} images")));
    }
    let decoded = images.iter().zip(1..).map(|(image, number)| image.decode(number));
    let decoded = decoded.collect::<Result<Vec<_>, _>>()?;
    if decoded.iter().map(Vec::len).sum::<usize>() > MAX_IMAGE_BYTES {
        return Err(too_many_bytes());
    }
    Ok(decoded)
}

fn too_many_bytes() -> Problem {
    Problem::invalid(
        "images",
        format!("the images of a message have at most {MAX_IMAGE_BYTES} bytes together"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....IEND....";

    fn image(bytes: &[u8], media_type: ImageType) -> ImageInput {
        ImageInput { media_type, data: STANDARD.encode(bytes), name: None }
    }

    #[test]
    fn the_bytes_are_what_the_type_says() {
        let table: [(&[u8], Option<ImageType>); 7] = [
            (PNG, Some(ImageType::Png)),
            (b"\xff\xd8\xff\xe0....\xff\xd9", Some(ImageType::Jpeg)),
            (b"GIF89a....", Some(ImageType::Gif)),
            (b"RIFF\x04\0\0\0WEBP", Some(ImageType::Webp)),
            (b"RIFF\x04\0\0\0WAVE", None),
            (b"<svg/>", None),
            (b"", None),
        ];
        for (bytes, media_type) in table {
            assert_eq!(ImageType::of(bytes), media_type, "{bytes:?}");
            if let Some(media_type) = media_type {
                assert_eq!(image(bytes, media_type).decode(1).unwrap(), bytes);
            }
        }
        let wrong = image(PNG, ImageType::Gif).decode(2).unwrap_err();
        assert_eq!(
            (wrong.code, wrong.more["field"].as_str()),
            (Code::Validation, Some("images[1].mediaType"))
        );
        for (cut, media_type) in [
            (&PNG[..12], ImageType::Png),
            (b"\xff\xd8\xff\xe0..".as_slice(), ImageType::Jpeg),
            (b"RIFF\x05\0\0\0WEBP", ImageType::Webp),
        ] {
            assert_eq!(image(cut, media_type).decode(1).unwrap_err().code, Code::Validation, "{cut:?}");
        }
        let no_base64 = ImageInput { data: "§".into(), ..image(PNG, ImageType::Png) };
        assert_eq!(no_base64.decode(1).unwrap_err().code, Code::Validation);
    }

    #[test]
    fn images_are_bounded_together() {
        let of = |bytes: usize| {
            let mut png = vec![b'.'; bytes];
            png[..PNG.len()].copy_from_slice(PNG);
            image(&png, ImageType::Png)
        };
        assert!(decode_all(&[of(MAX_IMAGE_BYTES)]).is_ok());
        assert!(decode_all(&[of(MAX_IMAGE_BYTES + 1)]).is_err());
        assert!(decode_all(&[of(MAX_IMAGE_BYTES + 100)]).is_err());
        assert!(decode_all(&[of(MAX_IMAGE_BYTES / 2), of(MAX_IMAGE_BYTES / 2 + 1)]).is_err());
        assert!(decode_all(&vec![of(100); MAX_IMAGES]).is_ok());
        assert!(decode_all(&vec![of(100); MAX_IMAGES + 1]).is_err());
    }

    #[test]
    fn a_name_is_no_path() {
        let long = "n".repeat(300);
        let table = [
            (None, "image-3.png"),
            (Some("shot.png"), "shot.png"),
            (Some("../../etc/passwd"), "passwd"),
            (Some("C:\\Users\\me\\a b.png"), "a b.png"),
            (Some("/"), "image-3.png"),
            (Some(".."), "image-3.png"),
            (Some("a\u{1b}[31m\n\u{202e}b.png"), "a[31mb.png"),
            (Some(long.as_str()), &long[..100]),
        ];
        for (name, expected) in table {
            let image = ImageInput { name: name.map(Into::into), ..image(PNG, ImageType::Png) };
            assert_eq!(image.described(7, 3).name, expected, "{name:?}");
        }
    }
}
