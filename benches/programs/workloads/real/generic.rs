//! Generic code with traits, closures and iterators.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{Debug, Display};

pub trait Shape: Debug {
    fn area(&self) -> f64;
    fn name(&self) -> String;
}

#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Kind<T> {
    One(T),
    Two(T, T),
    Many(Vec<T>),
    Named {
        name: String,
        inner: Option<Box<Kind<T>>>,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub number: u64,
    pub text: String,
}

impl<T: Debug + Clone + Into<f64>> Shape for Kind<T> {
    fn area(&self) -> f64 {
        match self {
            Kind::One(side) => side.clone().into().powi(2),
            Kind::Two(a, b) => a.clone().into() * b.clone().into(),
            Kind::Many(all) => all.iter().cloned().map(Into::into).sum(),
            Kind::Named { inner, .. } => inner.as_ref().map_or(0.0, |inner| inner.area()),
        }
    }
    fn name(&self) -> String {
        format!("{:?}", self)
    }
}

pub fn group<I, K, V>(items: I, key: impl Fn(&V) -> K) -> BTreeMap<K, Vec<V>>
where
    I: IntoIterator<Item = V>,
    K: Ord,
{
    let mut groups = BTreeMap::new();
    for item in items {
        groups.entry(key(&item)).or_insert_with(Vec::new).push(item);
    }
    groups
}

pub fn report(shapes: &[Box<dyn Shape>], seen: &mut HashMap<Key, f64>) -> Result<String, String> {
    let groups = group(shapes.iter().enumerate(), |(at, shape)| {
        shape.area() as u64 + *at as u64 % 3
    });
    for (number, list) in &groups {
        for (_, shape) in list {
            let key = Key {
                number: *number,
                text: shape.name(),
            };
            *seen.entry(key).or_default() += shape.area();
        }
    }
    let mut lines: Vec<_> = seen
        .iter()
        .map(|(key, area)| (key.clone(), area.to_string()))
        .collect();
    lines.sort();
    lines.dedup_by(|a, b| a.1 == b.1);
    lines
        .into_iter()
        .map(|(key, area)| join(&[key.text, area]))
        .collect()
}

pub fn join<T: Display>(parts: &[T]) -> Result<String, String> {
    let text = parts
        .iter()
        .map(|part| part.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    text.parse::<String>().map_err(|error| error.to_string())
}

pub fn both() -> Result<String, String> {
    let shapes: Vec<Box<dyn Shape>> = vec![
        Box::new(Kind::One(3.5f64)),
        Box::new(Kind::Two(2i32, 4)),
        Box::new(Kind::Many(vec![1u8, 2, 3])),
        Box::new(Kind::Named {
            name: String::new(),
            inner: Some(Box::new(Kind::One(2f32))),
        }),
    ];
    report(&shapes, &mut HashMap::new())
}
