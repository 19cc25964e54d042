//! The questions of a run that a person answers at the terminal, one after the other.

use std::io::Write;

use parallax_api::Problem;
use parallax_api::execution::{Question, QuestionKind};
use tokio::sync::mpsc;

use crate::output::{Output, Style, clean};
use crate::prompt::{forget_typed, typed_line};
use crate::question_text::{how_to_answer_run, run_question_text};

/// The questions that wait for a person, and what is typed.
pub(super) struct Asking<'a> {
    output: &'a Output,
    run: &'a str,
    waiting: Vec<Question>,
    /// The id of the one that is asked at the terminal.
    shown: Option<String>,
    /// Whether there is a terminal, and its input has not ended.
    is_open: bool,
    typed_tx: mpsc::Sender<(Question, Option<String>)>,
    typed_rx: mpsc::Receiver<(Question, Option<String>)>,
}

impl<'a> Asking<'a> {
    /// Before the first question of the run.
    pub fn new(output: &'a Output, run: &'a str) -> Self {
        let (typed_tx, typed_rx) = mpsc::channel(1);
        Self { output, run, waiting: Vec::new(), shown: None, is_open: output.may_ask(), typed_tx, typed_rx }
    }

    /// Whether questions are asked here, each when it is its turn.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// A person is asked this.
    pub fn add(&mut self, question: &Question) {
        if question.kind != QuestionKind::Attention {
            self.waiting.push(question.clone());
        }
    }

    /// A question wants no answer any more.
    pub fn remove(&mut self, id: &str) {
        self.waiting.retain(|question| question.id != id);
    }

    /// Says what to do when the question that is gone is the one that was asked: a line that is being typed may still be meant for it.
    pub fn tell_gone(&self, id: &str) {
        if self.shown.as_deref() == Some(id) && !self.waiting.is_empty() {
            self.output.note("press Enter for the next question");
        }
    }

    /// An answer was refused. Its question stays, and is asked once more.
    pub fn tell_refused(&self, problem: &Problem) {
        self.output.note(&format!("not taken: {}", clean(&problem.detail)));
    }

    /// Asks the next question and gives what is typed for it; pends while there is none. May be dropped and called again.
    pub async fn said(&mut self) -> (Question, String) {
        loop {
            self.ask();
            // This holds a sender, so there is always more to come.
            let Some((question, typed)) = self.typed_rx.recv().await else {
                return std::future::pending().await;
            };
            self.shown = None;
            match typed {
                None => self.end(&question.id),
                // What is typed is for the question that was shown, and for no other.
                Some(_) if !self.waiting.iter().any(|other| other.id == question.id) => {
                    self.output.note("not sent: that question has been answered meanwhile, or withdrawn");
                }
                Some(typed) => return (question, typed.trim().to_owned()),
            }
        }
    }

    /// Shows the first question, if none is shown, and reads a line beside everything else.
    fn ask(&mut self) {
        let (None, true, Some(question)) = (&self.shown, self.is_open, self.waiting.first().cloned()) else {
            return;
        };
        self.shown = Some(question.id.clone());
        forget_typed();
        self.output.note(&self.output.paint(&run_question_text(&question, "answer here"), Style::Wanted));
        let typed_tx = self.typed_tx.clone();
        std::thread::spawn(move || {
            let mut out = std::io::stderr().lock();
            // On a terminal that cannot be written to there is no one to ask.
            let _ = write!(out, "> ").and_then(|()| out.flush());
            drop(out);
            // A keyboard that cannot be read has ended. The receiver is gone when the run is over.
            let _ = typed_tx.blocking_send((question, typed_line().unwrap_or_default()));
        });
    }

    /// Nothing more is typed: the question that was shown, and those that waited behind it, can be answered elsewhere.
    fn end(&mut self, shown: &str) {
        self.is_open = false;
        self.output.note("\nno more input: questions are only shown");
        for question in &self.waiting {
            let how = how_to_answer_run(self.run, question);
            let text = if question.id == shown { how } else { run_question_text(question, &how) };
            self.output.note(&self.output.paint(&text, Style::Wanted));
        }
    }
}
