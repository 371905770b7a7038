//! Values between JSON and the engine, with the conversions of D1.

use js_sys::{Array, ArrayBuffer, JSON, Object, Uint8Array};
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue};

use super::capture;
use crate::cloudflare::js;
use crate::cloudflare::sql::Answered;
use crate::domain::operation::RowShape;
use crate::domain::refusal::Problem;

/// Parameters as the engine takes them, with the same conversions as D1's binding: numbers are REAL, booleans 1 or 0, arrays bytes.
pub fn bindings(params: &[Value]) -> Array {
    params
        .iter()
        .map(|value| match value {
            Value::Null | Value::Object(_) => JsValue::NULL,
            Value::Bool(value) => JsValue::from_f64(f64::from(u8::from(*value))),
            Value::Number(number) => JsValue::from_f64(number.as_f64().unwrap_or_default()),
            Value::String(text) => JsValue::from_str(text),
            Value::Array(bytes) => {
                let bytes: Vec<u8> =
                    bytes.iter().filter_map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect();
                Uint8Array::from(bytes.as_slice()).into()
            }
        })
        .collect()
}

/// Rows as JSON. JavaScript's own object and number rules apply, as they do in D1: of columns with the same name the last one wins, integers beyond 2^53 are rounded, bytes are arrays of numbers.
pub fn rows_to_json(rows: &Answered, shape: RowShape) -> Result<String, Problem> {
    if shape == RowShape::None {
        return Ok("[]".into());
    }
    let list: Array = rows
        .rows
        .raw()
        .iter()
        .map(|row| -> JsValue {
            let row: Array = row.unchecked_into();
            let cells = row.iter().map(|cell| {
                if cell.is_object() {
                    cell.dyn_into::<ArrayBuffer>()
                        .map_or(JsValue::NULL, |bytes| Array::from(&Uint8Array::new(&bytes)).into())
                } else {
                    cell
                }
            });
            match shape {
                RowShape::Arrays => cells.collect::<Array>().into(),
                RowShape::Objects | RowShape::None => {
                    let object = Object::new();
                    for (name, cell) in rows.columns.iter().zip(cells) {
                        js::set(&object, &name.as_string().unwrap_or_default(), &cell);
                    }
                    object.into()
                }
            }
        })
        .collect();
    let whole: JsValue = match shape {
        RowShape::Objects | RowShape::None => list.into(),
        RowShape::Arrays => {
            let object = Object::new();
            js::set(&object, "columns", &rows.columns);
            js::set(&object, "rows", &list);
            object.into()
        }
    };
    JSON::stringify(&whole).ok().and_then(|text| text.as_string()).ok_or_else(Problem::internal)
}

/// The value of a parameter as an SQL constant, as D1's binding would bind it; `None` when it is too long to be written out.
pub fn parameter(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => Some("NULL".into()),
        Value::Bool(value) => Some(format!("{}.0", u8::from(*value))),
        Value::Number(number) => number.as_f64().map(capture::real),
        Value::String(text) if text.len() <= MAX_CONSTANT_BYTES => Some(capture::constant(value)),
        Value::Array(bytes) if bytes.len() <= MAX_CONSTANT_BYTES => {
            let bytes: Vec<u8> =
                bytes.iter().filter_map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect();
            Some(format!("x'{}'", hex::encode(bytes)))
        }
        Value::String(_) | Value::Array(_) => None,
    }
}

/// Longest value that is written into a condition.
const MAX_CONSTANT_BYTES: usize = 2_000;
