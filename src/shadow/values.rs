//! Values of parameters, with the conversions of D1.

use std::borrow::Cow;

use serde_json::Value;

use super::capture;
use super::port::Param;

/// Parameters with the same conversions as D1's binding: numbers are REAL, booleans 1 or 0, arrays bytes.
pub fn bindings(params: &[Value]) -> Vec<Param<'_>> {
    params
        .iter()
        .map(|value| match value {
            Value::Null | Value::Object(_) => Param::Null,
            Value::Bool(value) => Param::Number(f64::from(u8::from(*value))),
            Value::Number(number) => Param::Number(number.as_f64().unwrap_or_default()),
            Value::String(text) => Param::Text(text.into()),
            Value::Array(numbers) => Param::Bytes(Cow::Owned(bytes(numbers))),
        })
        .collect()
}

fn bytes(numbers: &[Value]) -> Vec<u8> {
    numbers.iter().filter_map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect()
}

/// The value of a parameter as an SQL constant, as D1's binding would bind it; `None` when it is too long to be written
/// out.
pub fn parameter(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => Some("NULL".into()),
        Value::Bool(value) => Some(format!("{}.0", u8::from(*value))),
        Value::Number(number) => number.as_f64().map(capture::real),
        Value::String(text) if text.len() <= MAX_CONSTANT_BYTES => Some(capture::constant(value)),
        Value::Array(numbers) if numbers.len() <= MAX_CONSTANT_BYTES => {
            Some(format!("x'{}'", hex::encode(bytes(numbers))))
        }
        Value::String(_) | Value::Array(_) => None,
    }
}

/// Longest value that is written into a condition.
const MAX_CONSTANT_BYTES: usize = 2_000;
