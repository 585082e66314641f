//! What few of many rows have.

use std::ops::Deref;

/// A value that is nothing in most rows, and takes memory of its own only where it is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Rare<T>(Option<Box<T>>);

/// What there is where there is nothing.
pub trait Nothing: PartialEq + 'static {
    /// Nothing.
    const NOTHING: &'static Self;
}

impl<T> Default for Rare<T> {
    fn default() -> Rare<T> {
        Rare(None)
    }
}

impl<T: Nothing> From<T> for Rare<T> {
    fn from(value: T) -> Rare<T> {
        Rare((value != *T::NOTHING).then(|| Box::new(value)))
    }
}

impl<T: Nothing> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::NOTHING)
    }
}
