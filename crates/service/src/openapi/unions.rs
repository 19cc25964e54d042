//! Tagged unions as generators of clients take them: each variant is a schema of its own, and the tag tells them apart.
//!
//! A struct that flattens an enum is described as "all of" the enum and an object. That is right and of no use: generators refuse it,
//! or lose the tag. Here the object's fields go into every variant.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::schema::{AllOf, Discriminator, Object, OneOf, Schema};
use utoipa::openapi::{Ref, RefOr};

type Schemas = BTreeMap<String, RefOr<Schema>>;

/// Rewrites every schema that is all of a tagged union and objects. Unions that nothing else refers to go.
pub(super) fn distribute(schemas: &mut Schemas) {
    let flattened: Vec<(String, AllOf)> = schemas
        .iter()
        .filter_map(|(name, schema)| match schema {
            RefOr::T(Schema::AllOf(all)) => Some((name.clone(), all.clone())),
            _ => None,
        })
        .collect();
    for (name, all) in flattened {
        let Some((union, variants, common)) = parts(schemas, &all) else { continue };
        let Some(tag) = tag(&variants) else { continue };
        let mut one_of = OneOf::new();
        one_of.description.clone_from(&all.description);
        let mut discriminator = Discriminator::new(tag.clone());
        for mut variant in variants {
            let Some(value) = constant(&variant, &tag) else { continue };
            let variant_name = format!("{name}{}", pascal(&value));
            for object in &common {
                variant.required.extend(object.required.iter().cloned());
                for (field, schema) in &object.properties {
                    variant.properties.insert(field.clone(), schema.clone());
                }
            }
            name_inline_objects(schemas, &variant_name, &mut variant);
            let reference = Ref::from_schema_name(&variant_name);
            discriminator.mapping.insert(value, reference.ref_location.clone());
            schemas.insert(variant_name, RefOr::T(Schema::Object(variant)));
            one_of.items.push(RefOr::Ref(reference));
        }
        one_of.discriminator = Some(discriminator);
        schemas.insert(name, RefOr::T(Schema::OneOf(one_of)));
        if !is_referred_to(schemas, &union) {
            schemas.remove(&union);
        }
    }
}

/// The union's name, its variants, and the objects beside it. None: it is something else.
fn parts(schemas: &Schemas, all: &AllOf) -> Option<(String, Vec<Object>, Vec<Object>)> {
    let mut union = None;
    let mut common = Vec::new();
    for item in &all.items {
        match item {
            RefOr::Ref(reference) => {
                let name = reference.ref_location.rsplit('/').next()?;
                let Some(RefOr::T(Schema::OneOf(one_of))) = schemas.get(name) else { return None };
                let variants = one_of.items.iter().map(|item| match item {
                    RefOr::T(Schema::Object(object)) => Some(object.clone()),
                    _ => None,
                });
                union = Some((name.to_owned(), variants.collect::<Option<Vec<_>>>()?));
            }
            RefOr::T(Schema::Object(object)) => common.push(object.clone()),
            RefOr::T(_) => return None,
        }
    }
    union.map(|(name, variants)| (name, variants, common))
}

/// The field that has one value in each variant, and never the same.
fn tag(variants: &[Object]) -> Option<String> {
    let first = variants.first()?;
    let tells_apart = |field: &&String| {
        let values: Option<BTreeSet<String>> =
            variants.iter().map(|variant| constant(variant, field)).collect();
        values.is_some_and(|values| values.len() == variants.len())
    };
    first.properties.keys().find(tells_apart).cloned()
}

/// The only value that a field can have.
fn constant(variant: &Object, field: &str) -> Option<String> {
    match variant.properties.get(field)? {
        RefOr::T(Schema::Object(object)) => match object.enum_values.as_deref()? {
            [value] => value.as_str().map(str::to_owned),
            _ => None,
        },
        _ => None,
    }
}

/// Gives a name to the objects that stand in a variant: generators make one of the variant's and the field's, and it may be taken.
fn name_inline_objects(schemas: &mut Schemas, owner: &str, variant: &mut Object) {
    for (field, schema) in &mut variant.properties {
        if let RefOr::T(Schema::Object(object)) = schema
            && !object.properties.is_empty()
        {
            let name = format!("{owner}{}", pascal(field));
            let object = std::mem::replace(schema, RefOr::Ref(Ref::from_schema_name(&name)));
            schemas.insert(name, object);
        }
    }
}

fn is_referred_to(schemas: &Schemas, name: &str) -> bool {
    let reference = format!("\"#/components/schemas/{name}\"");
    schemas.values().any(|schema| serde_json::to_string(schema).is_ok_and(|text| text.contains(&reference)))
}

fn pascal(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let mut chars = word.chars();
            chars.next().map(|first| first.to_uppercase().chain(chars).collect::<String>())
        })
        .collect()
}
