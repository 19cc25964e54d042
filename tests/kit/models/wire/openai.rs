//! OpenAI Responses.

use serde_json::{Value, json};

use super::{Failure, ToolCall, Wire, anthropic, fresh, tokens};

pub(super) struct Openai {
    out: String,
    id: String,
    model: String,
    items: Vec<Value>,
    /// The text of the message item that is open, the last of `items`.
    open: Option<String>,
    sequence: u64,
    chars: usize,
}

impl Openai {
    pub(super) fn new(model: &str) -> Self {
        Self {
            out: String::new(),
            id: fresh("resp_"),
            model: model.to_owned(),
            items: Vec::new(),
            open: None,
            sequence: 0,
            chars: 0,
        }
    }

    fn event(&mut self, kind: &str, mut data: Value) {
        self.sequence += 1;
        data["type"] = kind.into();
        data["sequence_number"] = self.sequence.into();
        self.out.push_str(&format!("event: {kind}\ndata: {data}\n\n"));
    }

    fn response(&self, status: &str) -> Value {
        let output = tokens(self.chars);
        let completed = status == "completed";
        json!({"id": self.id, "object": "response", "created_at": jiff::Timestamp::now().as_second(),
            "status": status, "model": self.model, "error": null,
            "output": if completed { self.items.clone() } else { Vec::new() },
            "usage": completed.then(|| json!({
                "input_tokens": 25, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": output,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 25 + output}))})
    }

    /// An event about the last item.
    fn item_event(&mut self, kind: &str, mut data: Value) {
        let index = self.items.len() - 1;
        data["output_index"] = index.into();
        data["item_id"] = self.items[index]["id"].clone();
        self.event(kind, data);
    }

    /// Adds an item; `announced` is how it looks when it begins.
    fn add(&mut self, item: Value, announced: Value) {
        self.items.push(item);
        let index = self.items.len() - 1;
        self.event("response.output_item.added", json!({"output_index": index, "item": announced}));
    }

    fn done(&mut self) {
        let index = self.items.len() - 1;
        let item = self.items[index].clone();
        self.event("response.output_item.done", json!({"output_index": index, "item": item}));
    }

    fn close(&mut self) {
        let Some(text) = self.open.take() else { return };
        let part = json!({"type": "output_text", "text": text, "annotations": []});
        self.item_event("response.output_text.done", json!({"content_index": 0, "text": text}));
        self.item_event("response.content_part.done", json!({"content_index": 0, "part": part}));
        let item = self.items.last_mut().expect("an open text has an item");
        item["status"] = "completed".into();
        item["content"] = json!([part]);
        self.done();
    }
}

impl Wire for Openai {
    fn begin(&mut self) {
        let response = self.response("in_progress");
        self.event("response.created", json!({"response": response}));
        self.event("response.in_progress", json!({"response": response}));
    }

    fn text(&mut self, piece: &str) {
        if self.open.is_none() {
            self.open = Some(String::new());
            let item = json!({"type": "message", "id": fresh("msg_"), "role": "assistant",
                "status": "in_progress", "content": []});
            self.add(item.clone(), item);
            let part = json!({"type": "output_text", "text": "", "annotations": []});
            self.item_event("response.content_part.added", json!({"content_index": 0, "part": part}));
        }
        self.chars += piece.chars().count();
        self.open.get_or_insert_default().push_str(piece);
        self.item_event("response.output_text.delta", json!({"content_index": 0, "delta": piece}));
    }

    fn thinking(&mut self, piece: &str) {
        self.close();
        let item = json!({"type": "reasoning", "id": fresh("rs_"), "encrypted_content": null,
            "summary": [{"type": "summary_text", "text": piece}]});
        let mut announced = item.clone();
        announced["summary"] = json!([]);
        self.add(item, announced);
        let part = json!({"type": "summary_text", "text": ""});
        self.item_event("response.reasoning_summary_part.added", json!({"summary_index": 0, "part": part}));
        self.item_event("response.reasoning_summary_text.delta", json!({"summary_index": 0, "delta": piece}));
        self.item_event("response.reasoning_summary_text.done", json!({"summary_index": 0, "text": piece}));
        self.done();
    }

    fn tool(&mut self, call: &ToolCall) {
        self.close();
        let item = match &call.raw {
            Some(raw) => json!({"type": "custom_tool_call", "id": fresh("ctc_"), "call_id": fresh("call_"),
                "name": call.name, "input": raw, "status": "completed"}),
            None => json!({"type": "function_call", "id": fresh("fc_"), "call_id": fresh("call_"),
                "name": call.name, "arguments": Value::Object(call.input.clone()).to_string(),
                "status": "completed"}),
        };
        let mut announced = item.clone();
        announced["status"] = "in_progress".into();
        self.add(item, announced);
        self.done();
    }

    fn end(&mut self) {
        self.close();
        let response = self.response("completed");
        self.event("response.completed", json!({"response": response}));
    }

    fn fail(&mut self, failure: &Failure) {
        let mut response = self.response("failed");
        response["error"] = json!({"code": failure.code.as_deref().unwrap_or("server_error"),
            "message": failure.message.as_deref().unwrap_or("scripted failure")});
        self.event("response.failed", json!({"response": response}));
    }

    fn whole(&self) -> Value {
        self.response("completed")
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }
}

pub(super) fn error_body(status: u16, failure: &Failure, message: &str) -> Value {
    let kind = failure.r#type.as_deref().unwrap_or(anthropic::error_type(status));
    json!({"error": {"message": message, "type": kind, "code": failure.code, "param": null}})
}
