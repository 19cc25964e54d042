//! Anthropic Messages.

use serde_json::{Value, json};

use super::{Failure, ToolCall, Wire, fresh, tokens};

pub(super) struct Anthropic {
    out: String,
    id: String,
    model: String,
    blocks: Vec<Value>,
    /// The type of the block that is open, the last of `blocks`.
    open: Option<&'static str>,
    stop_reason: &'static str,
    chars: usize,
}

impl Anthropic {
    pub(super) fn new(model: &str) -> Self {
        Self {
            out: String::new(),
            id: fresh("msg_"),
            model: model.to_owned(),
            blocks: Vec::new(),
            open: None,
            stop_reason: "end_turn",
            chars: 0,
        }
    }

    fn event(&mut self, kind: &str, mut data: Value) {
        data["type"] = kind.into();
        self.out.push_str(&format!("event: {kind}\ndata: {data}\n\n"));
    }

    fn message(&self, content: &[Value], stop_reason: Option<&str>) -> Value {
        json!({"id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": stop_reason, "stop_sequence": null,
            "usage": {"input_tokens": 25, "output_tokens": tokens(self.chars),
                      "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}})
    }

    fn index(&self) -> usize {
        self.blocks.len() - 1
    }

    fn open(&mut self, kind: &'static str, block: Value) {
        self.close();
        self.open = Some(kind);
        self.blocks.push(block.clone());
        let start = json!({"index": self.index(), "content_block": block});
        self.event("content_block_start", start);
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            let stop = json!({"index": self.index()});
            self.event("content_block_stop", stop);
        }
    }

    /// Appends to the open block's `field` and tells it.
    fn append(&mut self, field: &str, delta_kind: &str, piece: &str) {
        let index = self.index();
        let block = &mut self.blocks[index];
        let so_far = block[field].as_str().unwrap_or_default().to_owned();
        block[field] = (so_far + piece).into();
        self.event(
            "content_block_delta",
            json!({"index": index, "delta": {"type": delta_kind, field: piece}}),
        );
    }
}

impl Wire for Anthropic {
    fn begin(&mut self) {
        let message = self.message(&[], None);
        self.event("message_start", json!({"message": message}));
        self.ping();
    }

    fn text(&mut self, piece: &str) {
        if self.open != Some("text") {
            self.open("text", json!({"type": "text", "text": ""}));
        }
        self.chars += piece.chars().count();
        self.append("text", "text_delta", piece);
    }

    fn thinking(&mut self, piece: &str) {
        if self.open != Some("thinking") {
            self.open("thinking", json!({"type": "thinking", "thinking": "", "signature": ""}));
        }
        self.append("thinking", "thinking_delta", piece);
    }

    fn tool(&mut self, call: &ToolCall) {
        self.open(
            "tool_use",
            json!({"type": "tool_use", "id": fresh("toolu_"), "name": call.name, "input": {}}),
        );
        let input = Value::Object(call.input.clone());
        let index = self.index();
        let delta = json!({"type": "input_json_delta", "partial_json": input.to_string()});
        self.event("content_block_delta", json!({"index": index, "delta": delta}));
        self.close();
        self.blocks[index]["input"] = input;
        self.stop_reason = "tool_use";
    }

    fn end(&mut self) {
        self.close();
        let delta = json!({"delta": {"stop_reason": self.stop_reason, "stop_sequence": null},
            "usage": {"output_tokens": tokens(self.chars)}});
        self.event("message_delta", delta);
        self.event("message_stop", json!({}));
    }

    fn ping(&mut self) {
        self.event("ping", json!({}));
    }

    fn fail(&mut self, failure: &Failure) {
        let error = super::error_body(super::Api::Anthropic, 529, failure)["error"].clone();
        self.event("error", json!({"error": error}));
    }

    fn whole(&self) -> Value {
        self.message(&self.blocks, Some(self.stop_reason))
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }
}

pub(super) fn error_body(status: u16, failure: &Failure, message: &str) -> Value {
    let kind = failure.r#type.as_deref().unwrap_or(error_type(status));
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"})
}

pub(super) fn error_type(status: u16) -> &'static str {
    match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}
