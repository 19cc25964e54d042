//! Gemini `generateContent`.

use serde_json::{Value, json};

use super::{Failure, ToolCall, Wire, fresh, tokens};

pub(super) struct Gemini {
    out: String,
    id: String,
    model: String,
    said: String,
    calls: Vec<Value>,
}

impl Gemini {
    pub(super) fn new(model: &str) -> Self {
        Self {
            out: String::new(),
            id: fresh(""),
            model: model.to_owned(),
            said: String::new(),
            calls: Vec::new(),
        }
    }

    fn chunk(&self, parts: &[Value], finish: Option<&str>) -> Value {
        let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
        if let Some(finish) = finish {
            candidate["finishReason"] = finish.into();
        }
        let output = tokens(self.said.chars().count());
        json!({"candidates": [candidate], "modelVersion": self.model, "responseId": self.id,
            "usageMetadata": {"promptTokenCount": 25, "candidatesTokenCount": output,
                              "totalTokenCount": 25 + output}})
    }

    fn push(&mut self, part: Value, finish: Option<&str>) {
        let chunk = self.chunk(&[part], finish);
        self.out.push_str(&format!("data: {chunk}\r\n\r\n"));
    }
}

impl Wire for Gemini {
    fn begin(&mut self) {}

    fn text(&mut self, piece: &str) {
        self.said.push_str(piece);
        self.push(json!({"text": piece}), None);
    }

    fn thinking(&mut self, piece: &str) {
        self.push(json!({"text": piece, "thought": true}), None);
    }

    fn tool(&mut self, call: &ToolCall) {
        let part = json!({"functionCall": {"id": fresh(""), "name": call.name, "args": call.input}});
        self.calls.push(part.clone());
        self.push(part, None);
    }

    fn end(&mut self) {
        self.push(json!({"text": ""}), Some("STOP"));
    }

    /// The API has no event for a failure in mid-stream: the stream just ends.
    fn fail(&mut self, _failure: &Failure) {}

    fn whole(&self) -> Value {
        let mut parts = Vec::new();
        if !self.said.is_empty() {
            parts.push(json!({"text": self.said}));
        }
        parts.extend(self.calls.iter().cloned());
        self.chunk(&parts, Some("STOP"))
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }
}

pub(super) fn error_body(status: u16, failure: &Failure, message: &str) -> Value {
    let kind = failure.r#type.as_deref().unwrap_or(match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    });
    json!({"error": {"code": status, "message": message, "status": kind}})
}
