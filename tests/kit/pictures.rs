//! Pictures of noise, small enough that no CLI makes them smaller.

use parallax_api::message::ImageInput;

/// A PNG.
pub const PNG: &[u8] = include_bytes!("pictures/shot.png");
/// A JPEG.
pub const JPEG: &[u8] = include_bytes!("pictures/photo.jpg");
/// A WebP.
pub const WEBP: &[u8] = include_bytes!("pictures/drawing.webp");

/// The image as it is sent.
pub fn image(bytes: &[u8], name: &str) -> ImageInput {
    ImageInput::of(bytes, Some(name.into())).expect("it is an image")
}
