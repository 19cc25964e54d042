//! Reading an object in which the fields of one type stand beside those of another.
//!
//! `#[serde(flatten)]` collects the whole object first, to see what belongs to whom. This reads it once, as it comes.

use std::borrow::Cow;

use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads an object that is the whole of a text.
pub(crate) fn from_str<'de, V: Visitor<'de>>(text: &'de str, visitor: V) -> serde_json::Result<V::Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = reader.deserialize_map(visitor)?;
    reader.end()?;
    Ok(value)
}

/// Reads a `T` from the object, without the fields that `own` takes. That answers whether it took the value of the field.
pub(crate) fn read<'de, T, A>(
    object: A,
    own: impl FnMut(&str, &mut A) -> Result<bool, A::Error>,
) -> Result<T, A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    T::deserialize(MapAccessDeserializer::new(Beside { object, own }))
}

/// Reads a field that may be there once.
pub(crate) fn once<'de, T, A>(
    field: &mut Option<T>,
    name: &'static str,
    object: &mut A,
) -> Result<bool, A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    if field.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    *field = object.next_value()?;
    Ok(true)
}

struct Beside<A, F> {
    object: A,
    own: F,
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, A, F> MapAccess<'de> for Beside<A, F>
where
    A: MapAccess<'de>,
    F: FnMut(&str, &mut A) -> Result<bool, A::Error>,
{
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Name(name)) = self.object.next_key()? {
            if !(self.own)(&name, &mut self.object)? {
                return seed.deserialize(CowStrDeserializer::new(name)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.object.next_value_seed(seed)
    }
}
