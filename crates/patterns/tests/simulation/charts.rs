//! Random teams and random work.

use std::fmt::Write;

use crate::world::Rng;

/// A file that is in order.
pub fn chart(rng: &mut Rng) -> String {
    let roles: Vec<String> = (0..rng.below(5) + 1).map(|number| format!("r{number}")).collect();
    let mut text = "name: random\nlimits: {messages: ".to_owned();
    write!(
        text,
        "{}, questionsPerMessage: {}}}\nstructure:\n  roles:\n",
        [12, 40, 200][rng.pick(3)],
        rng.below(5)
    )
    .expect("text");
    for (index, role) in roles.iter().enumerate() {
        let max = rng.below(3) + 1;
        // Somebody of role 0 is there from the start: its workspace can be looked at anywhere.
        let min = rng.below(max + 1).max(u64::from(index == 0));
        let managed = index == 0 || !rng.chance(15);
        if managed {
            let types = ["fake", "[missing, fake]", "[fake, missing]"][rng.pick(3)];
            write!(text, "    {role}: {{managed: true, agentType: {types}").expect("text");
            if index % 2 == 0 {
                text.push_str(", workspace: {repo: /r, shared: true}");
            }
            match rng.below(4) {
                0 if index == 0 => text.push_str(", singleton: true, minInstances: 1"),
                0 => text.push_str(", singleton: true"),
                1 if index == 0 => text.push_str(", minInstances: 1"),
                1 => {}
                _ => write!(text, ", minInstances: {min}, maxInstances: {max}").expect("text"),
            }
        } else {
            write!(text, "    {role}: {{capabilities: [outside], maxInstances: {max}").expect("text");
        }
        write!(text, ", description: does {role}").expect("text");
        if index > 0 && rng.chance(75) {
            write!(text, ", reportsTo: r{}", rng.below(index as u64)).expect("text");
        }
        if rng.chance(25) && roles.len() > 1 {
            write!(text, ", permissionsAnsweredBy: [r{}]", (index + 1) % roles.len()).expect("text");
        }
        text.push_str("}\n");
    }
    text.push_str("  routing:\n    - {from: '*', to: r0, topics: [never]}\n");
    for _ in 0..rng.below(4) {
        let (from, to) = (rng.pick(roles.len()), rng.pick(roles.len()));
        let to =
            if rng.chance(20) { "'*'".to_owned() } else { format!("[r{to}, r{}]", rng.pick(roles.len())) };
        let kinds = ["question", "response, status", "task, question"][rng.pick(3)];
        let topics = ["", ", topics: [money]"][rng.pick(2)];
        let broadcast = rng.chance(30);
        let priority = rng.below(5);
        writeln!(
            text,
            "    - {{from: r{from}, to: {to}, messageTypes: [{kinds}], broadcast: {broadcast}, priority: {priority}{topics}}}"
        )
        .expect("text");
    }
    let behavior =
        ["route_to_reports_to", "surface_to_user", "broadcast", "fail", "return_best_effort"][rng.pick(5)];
    let at_most = ["surface_to_user", "broadcast", "fail", "return_best_effort"][rng.pick(4)];
    writeln!(
        text,
        "  escalation: {{defaultBehavior: {behavior}, onMaxDepth: {at_most}, maxDepth: {}, timeoutMs: {}}}",
        rng.below(4) + 1,
        [1_000, 60_000, 600_000][rng.pick(3)]
    )
    .expect("text");
    writeln!(text, "workflow:\n  timeoutMs: {}\n  steps:", [600_000, 7_200_000, 86_400_000][rng.pick(3)])
        .expect("text");
    let mut work = Work { rng, roles: &roles, next_id: 0, done: Vec::new() };
    for _ in 0..work.rng.below(4) + 1 {
        work.step(&mut text, 4, 3);
    }
    text
}

struct Work<'a> {
    rng: &'a mut Rng,
    roles: &'a [String],
    next_id: usize,
    /// Ids that have a result wherever the next step stands.
    done: Vec<String>,
}

impl Work<'_> {
    fn step(&mut self, text: &mut String, indent: usize, depth: usize) {
        let id = format!("s{}", self.next_id);
        self.next_id += 1;
        let pad = " ".repeat(indent);
        let role = self.roles[self.rng.pick(self.roles.len())].clone();
        let subject = match self.done.last() {
            Some(done) if self.rng.chance(60) => format!("about ${{{done}}} for $5"),
            _ => "about nothing".to_owned(),
        };
        let mut common = format!("{pad}- id: {id}\n");
        if self.rng.chance(30) {
            writeln!(common, "{pad}  retries: {}", self.rng.below(3)).expect("text");
        }
        if self.rng.chance(30) {
            writeln!(common, "{pad}  timeoutMs: {}", [5_000, 120_000, 3_600_000][self.rng.pick(3)])
                .expect("text");
        }
        text.push_str(&common);
        // Role 0 is managed, and has a workspace.
        if self.rng.chance(12) {
            match self.rng.chance(50) {
                true => writeln!(text, "{pad}  type: diff\n{pad}  role: r0"),
                false => writeln!(text, "{pad}  type: merge\n{pad}  role: r0\n{pad}  into: next"),
            }
            .expect("text");
            return self.done.push(id);
        }
        let kind = if depth == 0 { self.rng.below(6) } else { self.rng.below(9) };
        match kind {
            0 | 1 => {
                let fields = if self.rng.chance(30) { ", answer: {value: number}" } else { "" };
                let task = format!("work {subject}");
                write!(text, "{pad}  type: assign\n{pad}  role: {role}\n{pad}  task: \"{task}\"\n")
                    .expect("text");
                if !fields.is_empty() {
                    writeln!(text, "{pad}  answer: {{value: number}}").expect("text");
                }
            }
            2 => {
                let strategy = ["availability", "round_robin", "expertise"][self.rng.pick(3)];
                let roles = self.roles.join(", ");
                write!(
                    text,
                    "{pad}  type: select\n{pad}  roles: [{roles}]\n{pad}  strategy: {strategy}\n{pad}  task: \"{subject}\"\n"
                )
                .expect("text");
            }
            3 => {
                let gate = self.rng.chance(40);
                write!(
                    text,
                    "{pad}  type: review\n{pad}  reviewer: {role}\n{pad}  subject: \"{subject}\"\n{pad}  gate: {gate}\n"
                )
                .expect("text");
            }
            4 => {
                let approver = if self.rng.chance(60) { "user" } else { &role };
                let gate = self.rng.chance(40);
                write!(
                    text,
                    "{pad}  type: approve\n{pad}  approver: {approver}\n{pad}  subject: \"{subject}\"\n{pad}  gate: {gate}\n"
                )
                .expect("text");
            }
            5 if !self.done.is_empty() => {
                let strategy = ["consensus", "majority", "merge", "best"][self.rng.pick(4)];
                let of = self.done.join(", ");
                write!(
                    text,
                    "{pad}  type: aggregate\n{pad}  strategy: {strategy}\n{pad}  of: [{of}]\n{pad}  judge: {role}\n"
                )
                .expect("text");
            }
            5 => {
                write!(text, "{pad}  type: assign\n{pad}  role: {role}\n{pad}  task: alone\n").expect("text");
            }
            6 => {
                writeln!(text, "{pad}  type: sequential\n{pad}  steps:").expect("text");
                for _ in 0..self.rng.below(3) + 1 {
                    self.step(text, indent + 4, depth - 1);
                }
            }
            7 => {
                writeln!(text, "{pad}  type: parallel\n{pad}  maxParallel: {}", self.rng.below(4) + 1)
                    .expect("text");
                writeln!(text, "{pad}  steps:").expect("text");
                let before = self.done.clone();
                let mut after = before.clone();
                for _ in 0..self.rng.below(4) + 1 {
                    self.done = before.clone();
                    self.step(text, indent + 4, depth - 1);
                    after.extend(self.done.drain(..).filter(|id| !before.contains(id)));
                }
                self.done = after;
            }
            _ => {
                let name = ["random", "other"][self.rng.pick(2)];
                let condition = format!("${{context.pattern}} == '{name}'");
                writeln!(text, "{pad}  type: condition\n{pad}  if: \"{condition}\"").expect("text");
                for field in ["then", "else"] {
                    writeln!(text, "{pad}  {field}:").expect("text");
                    let before = self.done.clone();
                    self.step(text, indent + 4, depth - 1);
                    self.done = before;
                }
            }
        }
        self.done.push(id);
    }
}
