//! A unified diff of git, read into files, hunks and lines. What the agent wrote stands in it: only the numbers of a hunk's
//! head say which lines are content, and a line of content is never taken for a head.

use parallax_api::workspace::{Diff, DiffLine, DiffLineKind, FileDiff, Hunk};

/// Reads what `git diff` printed with the prefixes `a/` and `b/`.
pub fn parse(text: &[u8]) -> Diff {
    let mut lines = text.split(|byte| *byte == b'\n').peekable();
    let mut files: Vec<FileDiff> = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(names) = line.strip_prefix(b"diff --git ") {
            let path = name_of_both(names).unwrap_or_default();
            files.push(FileDiff { path, ..FileDiff::default() });
            continue;
        }
        let Some(file) = files.last_mut() else { continue };
        if let Some(head) = line.strip_prefix(b"@@ -") {
            let Some(mut hunk) = hunk_head(head) else { continue };
            let (mut old, mut new) = (hunk.old_lines, hunk.new_lines);
            while old > 0 || new > 0 {
                let Some(line) = lines.next() else { break };
                let (kind, text) = match line.split_first() {
                    Some((b'+', text)) => (DiffLineKind::Added, text),
                    Some((b'-', text)) => (DiffLineKind::Removed, text),
                    Some((b' ', text)) => (DiffLineKind::Context, text),
                    Some((b'\\', _)) => {
                        end_without_newline(&mut hunk);
                        continue;
                    }
                    _ => break,
                };
                old = old.saturating_sub(u64::from(kind != DiffLineKind::Added));
                new = new.saturating_sub(u64::from(kind != DiffLineKind::Removed));
                hunk.lines.push(DiffLine { kind, text: utf8(text), unterminated: false });
            }
            if lines.next_if(|line| line.starts_with(b"\\ ")).is_some() {
                end_without_newline(&mut hunk);
            }
            file.hunks.push(hunk);
        } else {
            head_line(file, line);
        }
    }
    Diff { files }
}

fn end_without_newline(hunk: &mut Hunk) {
    if let Some(last) = hunk.lines.last_mut() {
        last.unterminated = true;
    }
}

/// A line between a file's first one and its first hunk.
fn head_line(file: &mut FileDiff, line: &[u8]) {
    let after = |words: &str| line.strip_prefix(words.as_bytes());
    if let Some(mode) = after("old mode ") {
        file.old_mode = Some(utf8(mode));
    } else if let Some(mode) = after("new mode ") {
        file.new_mode = Some(utf8(mode));
    } else if after("new file mode ").is_some() {
        file.added = true;
    } else if after("deleted file mode ").is_some() {
        file.removed = true;
    } else if let Some(name) = after("rename from ").or(after("copy from ")) {
        file.from = Some(name_of(name));
    } else if let Some(name) = after("rename to ").or(after("copy to ")) {
        file.path = name_of(name);
    } else if let Some(name) = after("--- ").filter(|name| *name != b"/dev/null") {
        // The one that a removed file had; of others the next line says it.
        file.path = without_prefix(name_of(name));
    } else if let Some(name) = after("+++ ").filter(|name| *name != b"/dev/null") {
        file.path = without_prefix(name_of(name));
    } else if after("Binary files ").is_some() {
        file.binary = true;
    }
}

/// `START[,LINES] +START[,LINES] @@[ SECTION]`
fn hunk_head(head: &[u8]) -> Option<Hunk> {
    let head = utf8(head);
    let (numbers, section) = head.split_once(" @@")?;
    let (old, new) = numbers.split_once(" +")?;
    let range = |text: &str| {
        let (start, lines) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, lines.parse().ok()?))
    };
    let ((old_start, old_lines), (new_start, new_lines)) = (range(old)?, range(new)?);
    let section = section.trim_start().to_owned();
    Some(Hunk { old_start, old_lines, new_start, new_lines, section, lines: Vec::new() })
}

/// The name in `a/NAME b/NAME`, where it is one name: of a file without content nothing else tells it.
fn name_of_both(names: &[u8]) -> Option<String> {
    if names.starts_with(b"\"") {
        let end = (1..names.len()).find(|at| names[*at] == b'"' && !is_escaped(names, *at))?;
        return Some(without_prefix(name_of(&names[..=end])));
    }
    // Both halves are the same but for their first letter.
    let middle = names.len() / 2;
    let (first, second) = (names.get(..middle)?, names.get(middle + 1..)?);
    (first.get(1..) == second.get(1..)).then(|| without_prefix(utf8(first)))
}

fn is_escaped(bytes: &[u8], at: usize) -> bool {
    bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn without_prefix(name: String) -> String {
    let rest = name.strip_prefix("a/").or_else(|| name.strip_prefix("b/"));
    rest.map_or(name.clone(), str::to_owned)
}

/// A name as git prints it: plain, or in quotes with the escapes of C. One with a blank in it has a tab behind it.
fn name_of(printed: &[u8]) -> String {
    let printed = printed.strip_suffix(b"\t").unwrap_or(printed);
    let Some(quoted) = printed.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return utf8(printed);
    };
    let mut name = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            name.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'a') => name.push(7),
            Some(b'b') => name.push(8),
            Some(b't') => name.push(b'\t'),
            Some(b'n') => name.push(b'\n'),
            Some(b'v') => name.push(11),
            Some(b'f') => name.push(12),
            Some(b'r') => name.push(b'\r'),
            Some(digit @ b'0'..=b'7') => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    if let Some(next) = bytes.next_if(|byte| (b'0'..=b'7').contains(byte)) {
                        value = value * 8 + u32::from(next - b'0');
                    }
                }
                name.push(u8::try_from(value).unwrap_or(b'?'));
            }
            Some(other) => name.push(other),
            None => {}
        }
    }
    utf8(&name)
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let kind = |line: &DiffLine| match line.kind {
            DiffLineKind::Added => '+',
            DiffLineKind::Removed => '-',
            DiffLineKind::Context => ' ',
        };
        let mut shown = String::new();
        for file in parse(text.as_bytes()).files {
            let from = file.from.map(|from| format!(" from {from:?}")).unwrap_or_default();
            let flags = [(file.added, "A"), (file.removed, "D"), (file.binary, "B")];
            let flags: String = flags.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
            shown += &format!("{:?}{from} {flags}\n", file.path);
            for hunk in file.hunks {
                let Hunk { old_start, old_lines, new_start, new_lines, section, lines } = hunk;
                shown += &format!("@{old_start},{old_lines} {new_start},{new_lines} {section}\n");
                for line in lines {
                    shown += &format!(
                        "{}{}{}\n",
                        kind(&line),
                        line.text,
                        if line.unterminated { "$" } else { "" }
                    );
                }
            }
        }
        shown
    }

    #[test]
    fn content_is_never_a_head() {
        let text = "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1,2 +1,4 @@ fn main()\n one\n--- a/y\n+++ b/z\n\
                    +diff --git a/q b/q\n+@@ -1 +1 @@\n\\ No newline at end of file\n";
        assert_eq!(
            shown(text),
            "\"x\" \n@1,2 1,4 fn main()\n one\n--- a/y\n+++ b/z\n+diff --git a/q b/q\n+@@ -1 +1 @@$\n"
        );
    }

    #[test]
    fn names_are_read_back() {
        let text = "diff --git \"a/tab\\there\\n\\303\\244\\\"\" \"b/tab\\there\\n\\303\\244\\\"\"\nnew file mode 100644\nindex 0..0\n\
                    diff --git a/a b b/a b\nold mode 100644\nnew mode 100755\n\
                    diff --git a/old b/new\nsimilarity index 90%\nrename from old\nrename to new\n--- a/old\n+++ b/new\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n\
                    diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
                    diff --git a/pic b/pic\nBinary files a/pic and b/pic differ\n\
                    diff --git a/with blank b/with blank\n--- a/with blank\t\n+++ b/with blank\t\n@@ -0,0 +1 @@\n+x\n";
        assert_eq!(
            shown(text),
            "\"tab\\there\\nä\\\"\" A\n\"a b\" \n\"new\" from \"old\" \n@1,1 1,1 \n-x$\n+y\n\"gone\" D\n@1,1 0,0 \n-x\n\
             \"pic\" B\n\"with blank\" \n@0,0 1,1 \n+x\n"
        );
    }

    #[test]
    fn whatever_is_cut_off_or_odd_ends() {
        for text in [
            "",
            "@@ -1 +1 @@",
            "diff --git ",
            "diff --git a/x b/x\n@@ -1,9999999999 +1 @@\n+x",
            "diff --git \"\n@@ -a +b @@\n",
            "diff --git a/x b/x\n@@ -1,18446744073709551615 +1,2 @@\n x\n",
        ] {
            parse(text.as_bytes());
        }
    }
}
