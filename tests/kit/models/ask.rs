//! One model request, reduced to what a scenario matches on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The three model APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Responses.
    Openai,
    /// Gemini `generateContent`.
    Gemini,
}

/// One model request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The API it came by.
    pub api: Api,
    /// The model it names.
    pub model: String,
    /// Whether it wants a stream.
    pub stream: bool,
    /// Whether it is a turn of the conversation. Side requests (titles, routing, quota probes) offer no tools.
    pub main: bool,
    /// How many tools it offers.
    pub tools: usize,
    /// Whether its newest item is the result of a tool.
    pub tool_result: bool,
    /// The newest user text, without the context that CLIs put around it.
    pub text: String,
}

impl Ask {
    /// Reads a request body.
    pub fn read(api: Api, body: &Value) -> Self {
        let mut ask = Self {
            api,
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            stream: body["stream"].as_bool().unwrap_or(false),
            main: false,
            tools: 0,
            tool_result: false,
            text: String::new(),
        };
        match api {
            Api::Anthropic => ask.read_anthropic(body),
            Api::Openai => ask.read_openai(body),
            Api::Gemini => ask.read_gemini(body),
        }
        ask.main = ask.tools > 0;
        ask
    }

    fn read_anthropic(&mut self, body: &Value) {
        self.tools = items(&body["tools"]).len();
        for message in items(&body["messages"]).iter().rev() {
            match message["role"].as_str() {
                Some("assistant") => break,
                Some("user") => {}
                _ => continue,
            }
            let content = &message["content"];
            self.tool_result |= items(content).iter().any(|block| block["type"] == "tool_result");
            self.text = clean_text(content);
            if self.tool_result || !self.text.is_empty() {
                break;
            }
        }
    }

    fn read_openai(&mut self, body: &Value) {
        let input = items(&body["input"]);
        // A forced JSON shape means a side request, whatever tools it lists.
        if body["text"]["format"].is_null() {
            let listed = input.iter().filter(|item| item["type"] == "additional_tools");
            self.tools =
                items(&body["tools"]).len() + listed.map(|item| items(&item["tools"]).len()).sum::<usize>();
        }
        for item in input.iter().rev() {
            let kind = item["type"].as_str().unwrap_or("message");
            if kind.ends_with("_output") {
                self.tool_result = true;
                let output = &item["output"];
                self.text = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
                return;
            }
            if kind == "message" && item["role"] == "user" {
                self.text = clean_text(&item["content"]);
                if !self.text.is_empty() {
                    return;
                }
            }
        }
    }

    fn read_gemini(&mut self, body: &Value) {
        if body["generationConfig"]["responseMimeType"] != "application/json" {
            self.tools =
                items(&body["tools"]).iter().map(|tool| items(&tool["functionDeclarations"]).len()).sum();
        }
        for content in items(&body["contents"]).iter().rev() {
            if content["role"] == "model" {
                break;
            }
            if items(&content["parts"]).iter().any(|part| !part["functionResponse"].is_null()) {
                self.tool_result = true;
                return;
            }
            self.text = clean_text(&content["parts"]);
            if !self.text.is_empty() {
                return;
            }
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// All plain text of a content value of any shape, without injected context blocks.
fn clean_text(content: &Value) -> String {
    let mut texts = Vec::new();
    collect_texts(content, &mut texts);
    let clean: Vec<String> = texts.into_iter().map(without_context).filter(|text| !text.is_empty()).collect();
    clean.join("\n")
}

fn collect_texts<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(object) => match object.get("text") {
            Some(Value::String(text)) => texts.push(text),
            _ => {
                if let Some(inner) = object.get("content").or_else(|| object.get("parts")) {
                    collect_texts(inner, texts);
                }
            }
        },
        _ => {}
    }
}

/// Elements that CLIs put into the user's turn and that the user did not write.
const CONTEXT: [&str; 5] =
    ["system-reminder", "environment_context", "user_instructions", "session_context", "skill"];

fn without_context(text: &str) -> String {
    let mut text = text.to_owned();
    for tag in CONTEXT {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        while let Some(start) = text.find(&open) {
            let Some(length) = text[start..].find(&close) else { break };
            text.replace_range(start..start + length + close.len(), "");
        }
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_user_text_is_what_the_user_wrote() {
        let anthropic = json!({"model": "m", "stream": true, "tools": [{"name": "Bash"}], "messages": [
            {"role": "user", "content": "first"}, {"role": "assistant", "content": "one"},
            {"role": "user", "content": [{"type": "text", "text": "<system-reminder>x</system-reminder>"},
                                          {"type": "text", "text": "second\nline"}]},
            {"role": "system", "content": "injected"}]});
        let ask = Ask::read(Api::Anthropic, &anthropic);
        assert_eq!(
            (ask.text.as_str(), ask.main, ask.stream, ask.tool_result),
            ("second\nline", true, true, false)
        );

        let openai = json!({"input": [
            {"type": "additional_tools", "tools": [{"name": "exec"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "<environment_context>cwd</environment_context>"}]}]});
        let ask = Ask::read(Api::Openai, &openai);
        assert_eq!((ask.text.as_str(), ask.main), ("hello", true));

        let gemini = json!({"tools": [{"functionDeclarations": [{"name": "ls"}]}],
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
        let ask = Ask::read(Api::Gemini, &gemini);
        assert_eq!((ask.text.as_str(), ask.tools), ("hi", 1));
    }

    #[test]
    fn tool_results_and_side_requests_are_told_apart() {
        let result = json!({"tools": [{"name": "Bash"}], "messages": [
            {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "done"}]}]}]});
        let ask = Ask::read(Api::Anthropic, &result);
        assert!(ask.tool_result);
        assert_eq!(ask.text, "done");

        let output = json!({"tools": [{}], "input": [{"type": "custom_tool_call_output", "output": "out"}]});
        assert!(Ask::read(Api::Openai, &output).tool_result);
        let title = json!({"tools": [{}], "text": {"format": {"type": "json_schema"}}, "input": []});
        assert!(!Ask::read(Api::Openai, &title).main);
        let routing = json!({"tools": [{"functionDeclarations": [{}]}], "contents": [],
            "generationConfig": {"responseMimeType": "application/json"}});
        assert!(!Ask::read(Api::Gemini, &routing).main);
        let answer = json!({"contents": [{"role": "user", "parts": [{"functionResponse": {}}]}]});
        assert!(Ask::read(Api::Gemini, &answer).tool_result);
    }
}
