//! What was found of one group so far.

use std::cmp::Ordering;

use super::floats::Floats;
use super::{Measure, Scalar};
use crate::value::Token;

/// What a field is, in words.
pub const fn kind_of(token: &Token<'_>) -> &'static str {
    match token {
        Token::Null => "null",
        Token::Bool(_) => "a bool",
        Token::Int(_) => "an int",
        Token::BigInt { .. } => "an int beyond 64 bits",
        Token::Float(_) => "a float",
        Token::Text(_) => "a text",
        Token::Bytes(_) => "bytes",
        Token::List(_) => "a list",
        Token::Map(_) => "a map",
        Token::DateTime(_) => "a datetime",
        Token::Date(_) => "a date",
        Token::Time(_) => "a time",
        Token::Duration(_) => "a duration",
        Token::Decimal { .. } => "a decimal",
        Token::Uuid(_) => "a UUID",
    }
}

/// What was found so far.
#[derive(Debug)]
pub enum State {
    Count(u64),
    Sum { ints: i128, floats: Option<Floats> },
    Extreme(Option<Scalar>),
    Event(Option<u64>),
}

impl State {
    /// Nothing yet.
    pub const fn new(measure: Measure) -> Self {
        match measure {
            Measure::Count => Self::Count(0),
            Measure::Sum => Self::Sum { ints: 0, floats: None },
            Measure::Min | Measure::Max => Self::Extreme(None),
            Measure::First | Measure::Last => Self::Event(None),
        }
    }

    /// Takes in an event; an error says what its field is that it cannot be taken.
    pub fn take(
        &mut self,
        measure: Measure,
        sequence: u64,
        found: Option<Token<'_>>,
    ) -> std::result::Result<(), &'static str> {
        match (self, found) {
            (Self::Count(count), _) => *count += 1,
            (Self::Sum { ints, .. }, Some(Token::Int(value))) => *ints += i128::from(value),
            (Self::Sum { floats, .. }, Some(Token::Float(value))) => floats.get_or_insert_default().add(value),
            (Self::Extreme(known), Some(Token::Int(value))) => extreme(known, Scalar::Int(i128::from(value)), measure)?,
            (Self::Extreme(known), Some(Token::Float(value))) => extreme(known, Scalar::Float(value), measure)?,
            (Self::Extreme(known), Some(Token::Text(value))) => {
                extreme(known, Scalar::Text(value.to_owned()), measure)?;
            }
            (Self::Event(known), _) if measure == Measure::Last || known.is_none() => *known = Some(sequence),
            (Self::Event(_), _) => {}
            (_, found) => return Err(found.as_ref().map_or("missing", kind_of)),
        }
        Ok(())
    }

    /// Whether what was found behind it can be added without another look.
    pub fn can_add(&self, behind: &Self) -> bool {
        match (self, behind) {
            (Self::Extreme(Some(own)), Self::Extreme(Some(behind))) => compare(own, behind).is_some(),
            _ => true,
        }
    }

    /// Adds what was found behind it, and can be added.
    pub fn add(&mut self, measure: Measure, behind: Self) {
        match (self, behind) {
            (Self::Count(count), Self::Count(behind)) => *count += behind,
            (Self::Sum { ints, floats }, Self::Sum { ints: more, floats: behind }) => {
                *ints += more;
                if let Some(behind) = behind {
                    floats.get_or_insert_default().add_all(&behind);
                }
            }
            (Self::Extreme(known), Self::Extreme(Some(value))) => {
                let _: std::result::Result<_, _> = extreme(known, value, measure);
            }
            (Self::Event(known), Self::Event(behind)) if measure == Measure::Last => *known = behind.or(*known),
            (Self::Event(known), Self::Event(behind)) => *known = known.or(behind),
            _ => {}
        }
    }

    /// The answer.
    pub fn finish(self) -> Scalar {
        match self {
            Self::Count(count) => Scalar::Int(i128::from(count)),
            Self::Sum { ints, floats: None } => Scalar::Int(ints),
            Self::Sum { ints, floats: Some(mut floats) } => {
                floats.add_int(ints);
                Scalar::Float(floats.rounded())
            }
            Self::Extreme(known) => known.unwrap_or(Scalar::Null),
            Self::Event(known) => known.map_or(Scalar::Null, Scalar::Event),
        }
    }
}

/// Keeps the smaller or the larger; what is no number is neither.
fn extreme(known: &mut Option<Scalar>, value: Scalar, measure: Measure) -> std::result::Result<(), &'static str> {
    if matches!(value, Scalar::Float(float) if float.is_nan()) {
        return Ok(());
    }
    let better = match known {
        None => true,
        Some(known) => {
            let order =
                compare(&value, known).ok_or(if matches!(value, Scalar::Text(_)) { "a text" } else { "a number" })?;
            order == if measure == Measure::Min { Ordering::Less } else { Ordering::Greater }
        }
    };
    if better {
        *known = Some(value);
    }
    Ok(())
}

/// The order of two values of a kind, numbers by their value.
fn compare(one: &Scalar, other: &Scalar) -> Option<Ordering> {
    match (one, other) {
        (Scalar::Int(one), Scalar::Int(other)) => Some(one.cmp(other)),
        (Scalar::Float(one), Scalar::Float(other)) => one.partial_cmp(other),
        (Scalar::Int(one), Scalar::Float(other)) => Some(int_with_float(*one, *other)),
        (Scalar::Float(one), Scalar::Int(other)) => Some(int_with_float(*other, *one).reverse()),
        (Scalar::Text(one), Scalar::Text(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// The order of an integer of 64 bits and a float, without rounding either.
#[expect(clippy::cast_possible_truncation, reason = "the float is between -2^65 and 2^65 there, and whole")]
fn int_with_float(int: i128, float: f64) -> Ordering {
    const BEYOND: f64 = 36_893_488_147_419_103_232.0;
    if float >= BEYOND {
        Ordering::Less
    } else if float <= -BEYOND {
        Ordering::Greater
    } else {
        let whole = float.trunc();
        int.cmp(&(whole as i128)).then_with(|| 0.0_f64.total_cmp(&((float - whole) + 0.0)))
    }
}
